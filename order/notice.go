package order

// A Template is a message to the customer; an order sends each at most once.
type Template string

// The templates.
const (
	NoticeCreated   Template = "created"
	NoticeRejected  Template = Template(Rejected)
	NoticeCancelled Template = Template(Cancelled)
	NoticeExpired   Template = Template(Expired)
	NoticeFailed    Template = Template(Failed)
)

// texts are all the words a customer reads, in one place: a translation is a
// second map beside this one.
var texts = map[Template]string{
	NoticeCreated:   "your order has been created",
	NoticeRejected:  "your order could not be filled: a product is out of stock; nothing is charged",
	NoticeCancelled: "your order has been cancelled",
	NoticeExpired:   "your order has expired: it was not completed in time; nothing is charged",
	NoticeFailed:    "your order could not be processed; nothing is charged, and we are sorry",
}

// Text is the template's message; empty for a template that does not exist.
func (t Template) Text() string { return texts[t] }
