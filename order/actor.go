package order

// An Actor is who does something, and how the program knows that.
type Actor struct {
	Name    string
	KnownBy Identification // empty for the system itself
}

// An Identification says how the program knows who acts.
type Identification string

// How an actor is known.
const (
	ByToken    Identification = "token"    // the request had the token with the actor's name
	BySession  Identification = "session"  // the browser has logged in with that token
	ByProxy    Identification = "proxy"    // a trusted proxy has named the user
	ByCLI      Identification = "cli"      // the user of the machine on which the command ran
	BySetting  Identification = "setting"  // the program did it, because a setting says so
	ByInsecure Identification = "insecure" // it is not known: no token was asked for
)

// Identifications lists them.
func Identifications() []Identification {
	return []Identification{ByToken, BySession, ByProxy, ByCLI, BySetting, ByInsecure}
}
