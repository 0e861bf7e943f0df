// Package diagnosis finds what is wrong with a database and with the way to it: settings that
// hurt, objects that are missing, clocks, disk, pooler and privileges.
package diagnosis

import (
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Level says whether something must be done.
type Level string

// The levels.
const (
	OK     Level = "ok"
	Advice Level = "advice" // it works, and could work better
	Mend   Level = "mend"   // data or availability are at risk
)

// A Finding is one thing that was looked at.
type Finding struct {
	Name  string
	Level Level
	Says  string // what is the case
	Do    string // what to do; empty if nothing is
}

// objects are what the migrations make: kind and name, one a line. `make generate` writes it
// from a migrated database.
//
//go:embed objects.txt
var objects string

// Objects lists what the migrations of this program make, as kind and name.
func Objects() []string { return strings.Split(strings.TrimSpace(objects), "\n") }

// Facts are what the findings are made of.
type Facts struct {
	Program        string // its version
	ProgramSchema  string
	DatabaseSchema string
	Mismatch       string // why they do not fit; empty if they do
	SameVersion    bool   // of the schema: only then are the objects compared

	Server    string // the version of Postgres
	ServerNum int
	Standby   bool // it takes no writes

	Settings   map[string]string // of Postgres
	Session    string            // the SQL that gives the role the settings that its sessions should have; empty if they have them
	Processes  int               // of ours that are connected
	PoolSize   int               // connections of each
	Objects    []string          // that are there
	Invalid    []string          // indexes
	Disabled   []string          // triggers
	Skew       time.Duration     // how far this machine's clock is ahead
	Size       int64             // of the database, in bytes
	Free       int64             // bytes of the disk; -1 if this program cannot know
	Wraparound int64             // transactions since the oldest frozen one

	Pooled    bool // a pooler stands between
	Direct    bool // ORDERS_DIRECT_URL is set
	Role      string
	Superuser bool
	MayCreate bool   // in the schema
	SeesStats bool   // of other roles
	Placing   string // why orders cannot be placed; empty if they can
}

const (
	oldestServer = 140_000
	most         = 1_000_000_000 // transactions: half of what there are before Postgres stops
	lowFree      = 5 << 30
	maxSkew      = time.Second
)

// Examine makes the findings, those to be mended first.
func Examine(f Facts) []Finding {
	findings := slices.Concat(
		f.versions(), f.durability(), f.tuning(), f.connections(), f.objects(), f.machine(), f.way(), f.privileges(),
	)

	levels := []Level{Mend, Advice, OK}
	slices.SortStableFunc(findings, func(a, b Finding) int { return slices.Index(levels, a.Level) - slices.Index(levels, b.Level) })

	return findings
}

// check is a finding that is OK unless something is wrong.
func check(name string, wrong bool, level Level, says, do string) Finding {
	if !wrong {
		return Finding{Name: name, Level: OK, Says: says}
	}

	return Finding{Name: name, Level: level, Says: says, Do: do}
}

func (f *Facts) versions() []Finding {
	schema := check("schema", f.Mismatch != "", Mend, "the database has "+f.DatabaseSchema+", the program has "+f.ProgramSchema,
		f.Mismatch)

	return []Finding{
		{Name: "program", Level: OK, Says: f.Program},
		schema,
		check("postgres", f.ServerNum < oldestServer, Mend, f.Server, "upgrade to Postgres 14 or newer"),
		check("primary", f.Standby, Mend,
			map[bool]string{false: "the server takes writes", true: "the server is a standby and takes no writes"}[f.Standby],
			"name the primary in DATABASE_URL, or add target_session_attrs=read-write"),
	}
}

// durability are the settings without which accepted orders may be lost.
func (f *Facts) durability() (findings []Finding) {
	for name, consequence := range map[string]string{
		"fsync":              "a crash of the machine may destroy the database",
		"full_page_writes":   "a crash of the machine may destroy pages",
		"synchronous_commit": "a crash may lose the orders that were accepted last",
		"autovacuum":         "dead rows stay, and the queues become slower",
		"track_counts":       "autovacuum does not run without it",
	} {
		value := f.Settings[name]
		findings = append(findings, check(name, value == "off", Mend, value, consequence+": ALTER SYSTEM SET "+name+" = on"))
	}

	slices.SortFunc(findings, func(a, b Finding) int { return strings.Compare(a.Name, b.Name) })

	return findings
}

// tuning are the settings that make a busy system faster, or easier to understand.
func (f *Facts) tuning() []Finding {
	const page, megabyte = 8 << 10, 1 << 20

	buffers, wal := f.number("shared_buffers")*page/megabyte, f.number("max_wal_size")

	return []Finding{
		check("shared_buffers", buffers <= 128, Advice, fmt.Sprintf("%d MB", buffers),
			"it is the default; give Postgres a quarter of the machine's memory"),
		check("max_wal_size", wal <= 1024, Advice, fmt.Sprintf("%d MB", wal),
			"it is the default; 4 GB or more make checkpoints rarer, and so less WAL"),
		check("work_mem", f.number("work_mem") < 4096, Advice, fmt.Sprintf("%d kB", f.number("work_mem")),
			"4 MB or more keep sorts in memory"),
		check("track_io_timing", f.Settings["track_io_timing"] == "off", Advice, f.Settings["track_io_timing"],
			"switch it on: it tells a slow disk from a slow query"),
		check("wal_level", f.Settings["wal_level"] == "minimal", Advice, f.Settings["wal_level"],
			"physical backups and standbys need replica"),
		check("session settings", f.Session != "", Mend, map[bool]string{true: "complete", false: "a pooler drops some"}[f.Session == ""],
			"give them to the role, and RECONNECT the pooler: "+f.Session),
	}
}

func (f *Facts) number(setting string) int64 {
	n, _ := strconv.ParseInt(f.Settings[setting], 10, 64) // pg_settings has numbers in these

	return n
}

func (f *Facts) connections() []Finding {
	usable := f.number("max_connections") - f.number("superuser_reserved_connections")
	need := int64(max(f.Processes, 1) * (f.PoolSize + 2)) // two beside the pool: for LISTEN and for the worker's lock

	return []Finding{check("max_connections", !f.Pooled && need > usable, Mend,
		fmt.Sprintf("%d usable, and %d of our processes may use %d", usable, f.Processes, need),
		"raise max_connections, or set pool_max_conns in DATABASE_URL")}
}

// objects compares what is there with what the migrations make.
func (f *Facts) objects() []Finding {
	findings := append(make([]Finding, 0, 3),
		check("invalid indexes", len(f.Invalid) > 0, Mend, list(f.Invalid, "none"), "REINDEX INDEX CONCURRENTLY each of them"),
		check("disabled triggers", len(f.Disabled) > 0, Mend, list(f.Disabled, "none"), "ALTER TABLE … ENABLE TRIGGER each of them"),
	)

	if !f.SameVersion {
		return findings
	}

	there := map[string]bool{}
	for _, o := range f.Objects {
		there[o] = true
	}

	missing := slices.DeleteFunc(slices.Clone(Objects()), func(o string) bool { return there[o] })

	return append(findings, check("missing objects", len(missing) > 0, Mend, list(missing, "none"),
		"somebody has dropped them: make them again as the migrations have them"))
}

func list(names []string, none string) string {
	if len(names) == 0 {
		return none
	}

	return strings.Join(names, ", ")
}

func (f *Facts) machine() []Finding {
	const gigabyte = 1 << 30

	disk := fmt.Sprintf("the database has %.1f GB; the free space is not known here", float64(f.Size)/gigabyte)
	if f.Free >= 0 {
		disk = fmt.Sprintf("the database has %.1f GB, and %.1f GB are free", float64(f.Size)/gigabyte, float64(f.Free)/gigabyte)
	}

	return []Finding{
		check("clock", f.Skew.Abs() > maxSkew, Mend,
			fmt.Sprintf("this machine is %s ahead of the database", f.Skew.Round(time.Millisecond)),
			"let both machines follow NTP"),
		check("disk", f.Free >= 0 && f.Free < max(lowFree, f.Size/10), Mend, disk, "add space before Postgres stops"),
		check("transaction ids", f.Wraparound > most, Mend, fmt.Sprintf("%d in use of 2,147,483,648", f.Wraparound),
			"find what keeps VACUUM from freezing (orders report sessions), and run VACUUM FREEZE"),
	}
}

// way is about what stands between the program and its database.
func (f *Facts) way() []Finding {
	says := "none"
	if f.Pooled {
		says = "DATABASE_URL leads to a pooler"
	}

	return []Finding{check("pooler", f.Pooled && !f.Direct, Mend, says,
		"set ORDERS_DIRECT_URL to Postgres itself: without it, jobs start late and dead workers are found late")}
}

func (f *Facts) privileges() []Finding {
	yes := map[bool]string{true: "yes", false: "no"}

	return []Finding{
		check("orders can be placed", f.Placing != "", Mend, yes[f.Placing == ""], f.Placing),
		check("may migrate", !f.MayCreate, Advice, yes[f.MayCreate],
			"orders migrate up needs CREATE on the schema; another role may have it"),
		check("superuser", f.Superuser, Advice, yes[f.Superuser], "let the program use a role that owns its database only"),
		check("sees other sessions", !f.SeesStats && !f.Superuser, Advice, yes[f.SeesStats || f.Superuser],
			"GRANT pg_read_all_stats TO "+f.Role+": why and check then name who holds locks and snapshots"),
	}
}

// settingNames are the settings of Postgres that the findings read.
var settingNames = []string{
	"fsync", "full_page_writes", "synchronous_commit", "autovacuum", "track_counts", "shared_buffers", "max_wal_size", "work_mem",
	"track_io_timing", "wal_level", "max_connections", "superuser_reserved_connections",
}
