package order

// A Template names a message to the customer. An order sends each message at most once.
// Package message has the texts.
type Template string

// The templates.
const (
	NoticeCreated   Template = "created"
	NoticeRejected  Template = Template(Rejected)
	NoticeCancelled Template = Template(Cancelled)
	NoticeExpired   Template = Template(Expired)
	NoticeFailed    Template = Template(Failed)
)

// Templates lists the templates.
func Templates() []Template {
	return []Template{NoticeCreated, NoticeRejected, NoticeCancelled, NoticeExpired, NoticeFailed}
}
