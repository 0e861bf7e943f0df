package console

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/google/uuid"

	"orders/api/console/page"
	"orders/api/operation"
	"orders/db/action"
	"orders/order"
)

type actionsPage struct {
	page.Links

	Actions  []actionRow
	Names    []action.Name
	Filter   actionFilter
	Filtered bool
}

// An actionFilter is what the form above the list has.
type actionFilter struct {
	Actor, Target string
	Action        action.Name
	From, To      string
}

// An actionRow is an action with the page of its target.
type actionRow struct {
	action.Recorded

	Address string // empty if there is none
}

var actionList = operation.List[action.Recorded, action.Position]{
	Name:     "console-actions",
	Position: func(a action.Recorded) action.Position { return action.Position{At: a.At, ID: a.ID} },
}

func actionFilterOf(r *http.Request) (shown actionFilter, f action.Filter, err error) {
	shown = actionFilter{
		Actor: page.Text(r, "actor"), Target: page.Text(r, "target"), Action: action.Name(page.Text(r, "action")),
		From: page.Text(r, "from"), To: page.Text(r, "to"),
	}
	f = action.Filter{Actor: shown.Actor, Action: shown.Action}

	if id, err := uuid.Parse(shown.Target); err == nil {
		f.OrderID = id
	} else {
		f.TargetID = shown.Target
	}

	if f.Since.At, err = page.TimeOf(shown.From); err != nil {
		return shown, f, err
	}

	if f.Until.At, err = page.TimeOf(shown.To); err != nil {
		return shown, f, err
	}

	return shown, f, page.CheckPeriod(f.Since.At, f.Until.At)
}

func (c *console) actions(r *http.Request) (page.View, error) {
	v := page.View{Template: "actions", Title: "Actions", Section: "actions"}

	shown, filter, err := actionFilterOf(r)
	if err != nil {
		return v, err
	}

	p := actionsPage{Names: action.Names(), Filter: shown, Filtered: shown != (actionFilter{})}

	actions, next, err := actionList.Page(page.Of(r), func(after *action.Position, limit int) ([]action.Recorded, error) {
		return action.List(r.Context(), c.Pool, filter, after, limit)
	})

	for _, a := range actions {
		p.Actions = append(p.Actions, actionRow{a, c.targetAddress(a)})
	}

	p.Links = page.LinksOf(r, next)
	v.Data = p

	return v, err
}

// targetAddress is the page of what was acted on.
func (c *console) targetAddress(a action.Recorded) string {
	switch a.TargetKind {
	case action.Order:
		return "/console/orders/" + a.TargetID
	case action.Product:
		return productAddress(a.TargetID)
	case action.DeadLetter:
		return "/console/problems/letters/" + url.PathEscape(a.TargetID)
	case action.Queue:
		return "/console/queues"
	case action.Token:
		return "/console/tokens"
	case action.Job:
		if _, err := strconv.ParseInt(a.TargetID, 10, 64); err == nil && c.RiverUI {
			return "/riverui/jobs/" + a.TargetID
		}
	case action.Webhook:
		return "/console/webhooks/" + a.TargetID
	case action.Delivery, action.Route:
	}

	return ""
}

// identifications say how the program knows who acted.
var identifications = map[order.Identification]string{
	order.ByToken:    "by a token",
	order.BySession:  "logged in",
	order.ByProxy:    "named by the proxy",
	order.ByCLI:      "by a command",
	order.BySetting:  "by a setting",
	order.ByInsecure: "not known: no token was asked for",
}

// Known says how the actor is known.
func (a actionRow) Known() string { return identifications[a.KnownBy] }
