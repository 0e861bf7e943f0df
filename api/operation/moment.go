package operation

import (
	"github.com/danielgtaylor/huma/v2"

	"orders/order"
)

// A Moment is a time, a date, or a time before now such as now-2h. [order.ParseMoment] reads it.
type Moment string

// Schema is the moment's.
func (Moment) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{
		Type:               huma.TypeString,
		Pattern:            order.MomentPattern,
		PatternDescription: order.MomentSyntax,
		Examples:           []any{"now-2h"},
	}
}

// A Period is the time that a list is about. Exported, as huma skips embedded structs that are not.
type Period struct {
	Since Moment `query:"since" doc:"Only from this time on: a time, a date (UTC), or a time before now such as now-2h or now-1d"`
	Until Moment `query:"until" doc:"Only before this time, given as since is"`
}

// Moments are the period's bounds; the zero Moment for none.
func (p Period) Moments() (since, until order.Moment, err error) { return MomentsOf(p.Since, p.Until) }

// MomentsOf reads the bounds of a period.
func MomentsOf(since, until Moment) (from, to order.Moment, err error) {
	return order.ParsePeriod("", string(since), string(until)) //nolint:wrapcheck // a refusal
}
