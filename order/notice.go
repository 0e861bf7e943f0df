package order

// A Template names a message to the customer. An order sends each message at most once.
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

// texts are all that customers read, in one place: a translation is a second map
// beside this one.
var texts = map[Template]string{
	NoticeCreated:   "your order has been created",
	NoticeRejected:  "your order could not be filled: a product is out of stock; nothing is charged",
	NoticeCancelled: "your order has been cancelled",
	NoticeExpired:   "your order has expired: it was not completed in time; nothing is charged",
	NoticeFailed:    "your order could not be processed; nothing is charged, and we are sorry",
}

// Text is the template's message; empty if there is no such template.
func (t Template) Text() string { return texts[t] }
