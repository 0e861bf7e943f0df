package operation

import (
	"reflect"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"orders/api/problem"
	"orders/db/action"
	"orders/db/audit"
	"orders/db/catalogue"
	"orders/db/deadletter"
	"orders/db/delivery"
	"orders/db/event"
	"orders/db/report"
	"orders/db/timeline"
	"orders/order"
	"orders/order/explain"
	"orders/order/repair"
)

// Enums whose values have no type of their own elsewhere.
type (
	// AuditMode says how much an audit looks at.
	AuditMode string

	// ReportFormat is the format of a report.
	ReportFormat string

	// DeliveredType is the type of an event that was sent.
	DeliveredType event.Type
	// PointsEntryKind says whether points were given or taken back.
	PointsEntryKind string
)

// An enum is a component of the document: the values of a Go type, from the one list
// that Go has of them. huma names structs only, and reads enums from tags, which would be
// a second list.
type enum struct {
	name   string
	doc    string
	values []any
	of     reflect.Type
	ref    reflect.Type // the [enumRef] that stands for it
}

// enums are all of the API.
var enums = []enum{
	enumOf("OrderStatus", "The status of an order. rejected, expired, cancelled and failed are final.", order.Statuses()...),
	enumOf("Locale", "A language, as a tag of BCP 47", order.Locales()...),
	enumOf("StatusReasonCode", "Why an order ended. out_of_stock: shortages has the lines. payment_overdue: the payment of a held order "+
		"did not come in time. processing_overdue: the order was pending for too long. cancelled_by_client: POST /orders/{id}/cancel. "+
		"step_failed: a step could not be done. cancelled_by_operator: an operator cancelled the job of a step. "+
		"other: the order ended before there were codes, and its reason is not known.", order.ReasonCodes()...),
	enumOf("StepName", "A step of an order: a piece of its asynchronous work", stepNames()...),
	enumOf("StepState", "waiting: the job has not run yet, or it runs now. done: the effect exists. "+
		"skipped: the step was undone, or it must not happen any more. retrying: an attempt failed, and another is due. "+
		"dead: the job was given up.", order.StepStates()...),
	enumOf("DeadLetterReason", "Why the job was given up. transient: a fault that passes. permanent: no attempt can succeed. "+
		"poison: the processes that ran the job died, three times. cancelled: an operator cancelled it.", deadletter.Reasons()...),
	enumOf("DeadLetterResolution", "redriven: a new job has the work. compensated: the order was undone. "+
		"applied: the effect exists after all. dismissed: nothing is to be done.", deadletter.Resolutions()...),
	enumOf("DeadLetterState", "Whether dead letters are still to be resolved", deadletter.Open, deadletter.Resolved, deadletter.All),
	enumOf("RedriveOutcome", "redriven: there is a new job. eligible: there would be one without dry_run. "+
		"already_applied: the effect exists, or nothing is left to do, and the letter is resolved. "+
		"order_is_final: nothing may be done for the order any more, and the letter is resolved. "+
		"live_job_exists: a live job does the work, and the letter stays open. already_resolved: the letter was resolved before. "+
		"not_redrivable: the kind is not known, or there is no such order. not_found: there is no such letter.", repair.Outcomes()...),
	enumOf("ResolveOutcome", "dismissed: nothing is to be done. eligible: the letter would be dismissed without dry_run. "+
		"already_resolved: the letter was resolved before. not_found: there is no such letter.", repair.ResolveOutcomes()...),
	enumOf("ProductState", "Whether products can be ordered. archived: they cannot.",
		catalogue.Active, catalogue.Archived, catalogue.All),
	enumOf("AdjustmentReason", "Why stock was adjusted. stock_take: it was counted. damaged, lost: there is less. "+
		"returned: there is more. correction: an earlier receipt or adjustment was wrong.", order.AdjustmentReasons()...),
	enumOf("NotificationTemplate", "The name of a message to a customer", order.Templates()...),
	enumOf("ProblemType", "The stable name of a refusal", Each(problem.Codes(), problem.AddressOf)...),
	enumOf("WhyCode", "Why an order has not settled, or that it has. Codes that need an operator come first.", explain.Codes()...),
	enumOf("TimelineType", "What a timeline's entry is about", timeline.Types()...),
	enumOf("EventType", "What became true", event.Types()...),
	enumOf("DeliveredType", "What the event is about. endpoint.test: an operator tested the webhook; GET /events never has it.",
		Each(append(event.Types(), event.EndpointTest), func(t event.Type) DeliveredType { return DeliveredType(t) })...),
	enumOf("WebhookState", "active: what was sent last has arrived. failing: it has not. paused: the webhook has failed again and again, "+
		"and is tried now and then. disabled: nothing is sent until it is enabled.", delivery.EndpointStates()...),
	enumOf("DeliveryChannel", "webhook: to another service. mail: to the customer.", delivery.Kinds()...),
	enumOf("DeliveryState", "waiting: the event is sent again. sent: it has arrived. failed: it was given up. "+
		"suppressed: it was not worth sending any more.", delivery.States()...),
	enumOf("ActionName", "What was done. Those of jobs and queues were done in River UI.", action.Names()...),
	enumOf("ActionTarget", "What was acted on", action.Kinds()...),
	enumOf("ReportParameterType", "How a report's parameter is given. "+
		"time: a time, a date, or a time before now such as now-2h. text: text.",
		report.Types()...),
	enumOf("Identification", "How the actor is known. token: the request had the actor's token. "+
		"session: the browser has logged in with it. "+
		"proxy: a trusted proxy has named the user. cli: the user of the machine on which the command ran. "+
		"setting: the program did it, because a setting says so. insecure: no token was asked for.", order.Identifications()...),
	enumOf[AuditMode]("AuditMode", "incremental: the data since the last audit. full: all data.", audit.Incremental, audit.Full),
	enumOf[ReportFormat]("ReportFormat", "The format of a report", "json", "csv"),
	enumOf[PointsEntryKind]("PointsEntryKind", "earn: the order gave points. reverse: they were taken back.", "earn", "reverse"),
}

func enumOf[T ~string](name, doc string, values ...T) enum {
	e := enum{name: name, doc: doc, of: reflect.TypeFor[T](), ref: reflect.TypeFor[enumRef[T]]()}
	for _, v := range values {
		e.values = append(e.values, string(v))
	}

	return e
}

func stepNames() []order.StepName {
	return Each(order.Steps(), func(s order.Step) order.StepName { return s.Name })
}

// An enumRef stands for an enum of values of T wherever huma makes a schema.
type enumRef[T ~string] struct{}

// Schema refers to the enum's component.
func (enumRef[T]) Schema(huma.Registry) *huma.Schema {
	i := slices.IndexFunc(enums, func(e enum) bool { return e.of == reflect.TypeFor[T]() })

	return &huma.Schema{Ref: "#/components/schemas/" + enums[i].name}
}

// AddEnums makes the enums components.
func AddEnums(schemas huma.Registry) {
	for _, e := range enums {
		schema := &huma.Schema{Type: huma.TypeString, Description: e.doc, Enum: e.values}
		schema.PrecomputeMessages()

		schemas.Map()[e.name] = schema
		schemas.RegisterTypeAlias(e.of, e.ref)
	}
}
