package broker

// Place places one order in a transaction of its own.
var Place = place

// Outbox is the statement that makes the outbox.
const Outbox = outbox
