package order

// A Template is a message to the customer; an order sends each at most once.
type Template string

// The templates.
const (
	NoticeCreated  Template = "created"
	NoticeRejected Template = "rejected"
)

// texts are all the words a customer reads, in one place: a translation is a
// second map beside this one.
var texts = map[Template]string{
	NoticeCreated:  "your order has been created",
	NoticeRejected: "your order could not be filled: a product is out of stock; nothing is charged",
}

// Text is the template's message; empty for a template that does not exist.
func (t Template) Text() string { return texts[t] }
