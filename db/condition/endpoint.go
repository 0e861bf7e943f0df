package condition

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"orders/db/delivery"
)

// endpointFailing warns of endpoints that have failed for a while, that are behind the log, or that their answers have
// disabled. It names a few, the worst first.
func (r *Reading) endpointFailing(l Limit[time.Duration]) Condition {
	const named = 3

	var (
		worst = Condition{Severity: OK}
		wrong = map[Severity][]string{}
	)

	for _, e := range r.Endpoints {
		c := r.endpoint(e, l)
		wrong[c.Severity] = append(wrong[c.Severity], c.Sentence)

		first := c.Since != nil && (worst.Since == nil || c.Since.Before(*worst.Since))
		if c.Severity.Worse(worst.Severity) || c.Severity == worst.Severity && first {
			worst = c
		}
	}

	if worst.Severity == OK {
		return fine("No endpoint of deliveries fails.")
	}

	sentences, more := slices.Concat(wrong[Critical], wrong[Warning]), ""
	if len(sentences) > named {
		more = fmt.Sprintf("; and %d more", len(sentences)-named)
		sentences = sentences[:named]
	}

	worst.Sentence = fmt.Sprintf("Events do not arrive: %s%s. `orders webhook list` has all.", strings.Join(sentences, "; "), more)

	return worst
}

// endpoint judges one endpoint. Its sentence is a part of another.
func (r *Reading) endpoint(e delivery.Health, l Limit[time.Duration]) Condition {
	name := "mail"
	if e.Kind == delivery.Webhook {
		name = fmt.Sprintf("webhook %s (%s)", e.ID, e.Host())
	}

	status := "without an answer"
	if e.LastStatus != 0 {
		status = fmt.Sprintf("last with status %d", e.LastStatus)
	}

	switch {
	case e.DisabledItself():
		return Condition{
			Severity: Warning, Since: e.DisabledAt,
			Sentence: fmt.Sprintf("%s is disabled, %s: %s", name, status, *e.DisabledReason),
		}
	case e.DisabledAt != nil:
		return Condition{Severity: OK}
	case l.severity(e.FailingFor) != OK:
		return Condition{
			Severity: l.severity(e.FailingFor), Since: e.FailingSince,
			Sentence: fmt.Sprintf("%s has failed for %s, %s", name, r.age(*e.FailingSince), status),
		}
	case e.Kind == delivery.Webhook && l.severity(e.Lag) != OK: // mail is left alone while no worker knows a mail server
		since := r.At.Add(-e.Lag)

		return Condition{
			Severity: l.severity(e.Lag), Since: &since, Sentence: fmt.Sprintf("%s is %s behind", name, r.age(since)),
		}
	default:
		return Condition{Severity: OK}
	}
}
