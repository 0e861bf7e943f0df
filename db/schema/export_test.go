package schema

import (
	"regexp"
	"strings"
)

// Mistakes lists what is wrong with the form of a migration.
func Mistakes(sql string) (mistakes []string) {
	mistake := func(wrong bool, text string) {
		if wrong {
			mistakes = append(mistakes, text)
		}
	}

	matches := func(pattern string) bool { return regexp.MustCompile(pattern).MatchString(sql) }
	outside := repeatableLine.MatchString(sql)

	mistake(matches(`(?mi)^-- breaks`) && !breaksLine.MatchString(sql), "write: -- breaks programs before NUMBER")
	mistake(matches(`(?mi)^-- programs work`) && !optionalLine.MatchString(sql), "write: -- programs work without it")
	mistake(strings.Contains(sql, "CONCURRENTLY") && !outside, "write: -- runs outside a transaction, and may run twice")
	mistake(matches(`(?mi)^\s*(BEGIN|COMMIT|ROLLBACK);`), "a file is one transaction: neither begin nor end it")

	// migrate down reads in the file what it drops.
	columns := 0
	for _, table := range alterTable.FindAllStringSubmatch(sql, -1) {
		columns += len(dropColumns.FindAllString(table[2], -1))
	}

	count := func(pattern string) int { return len(regexp.MustCompile(pattern).FindAllString(sql, -1)) }
	mistake(count(`(?i)drop table`) != len(dropTable.FindAllString(sql, -1)) || matches(`(?i)drop table[^;]*,`), "write: DROP TABLE NAME; on a line of its own")
	mistake(count(`(?i)drop column`) != columns, "write: ALTER TABLE NAME DROP COLUMN NAME")

	if outside {
		for _, index := range regexp.MustCompile(`CREATE (?:UNIQUE )?INDEX CONCURRENTLY (?:IF NOT EXISTS )?(\w+)`).FindAllStringSubmatch(sql, -1) {
			mistake(!strings.Contains(sql, "DROP INDEX CONCURRENTLY IF EXISTS "+index[1]), "drop the index first: a run that was cut off leaves an invalid one")
		}
	}

	return mistakes
}
