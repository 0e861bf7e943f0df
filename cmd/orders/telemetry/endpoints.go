package telemetry

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"orders/db/delivery"
	"orders/db/gauge"
)

var (
	endpoints = desc("orders_endpoints",
		"Endpoints that events are sent to, by kind and state; up to "+watched+". Those in state disabled_itself were disabled by "+
			"their answers, and the disabled ones by an operator.", "kind", "state")
	endpointFailing = desc("orders_endpoint_failing_seconds",
		"For how long nothing has arrived at an endpoint although something was sent; 0 if the last ones arrived.", "endpoint")
	endpointLag = desc("orders_endpoint_lag_seconds",
		"The age of the oldest event that was not yet sent to an endpoint.", "endpoint")
	deliveriesWaiting = desc("orders_deliveries_waiting",
		"Deliveries that an endpoint is sent again, up to 10000.", "endpoint")
)

var watched = strconv.Itoa(delivery.MostWatched)

const disabledItself = "disabled_itself"

// collectEndpoints tells how the endpoints are. An endpoint is its id, or mail. A disabled one has no series of its own.
func collectEndpoints(to chan<- prometheus.Metric, r gauge.Reading) {
	type cell struct{ kind, state string }

	states := map[cell]int{}

	for _, kind := range delivery.Kinds() {
		states[cell{string(kind), disabledItself}] = 0

		for _, state := range delivery.EndpointStates() {
			states[cell{string(kind), string(state)}] = 0
		}
	}

	for _, e := range r.Endpoints {
		state := string(e.State())
		if e.DisabledItself() {
			state = disabledItself
		}

		states[cell{string(e.Kind), state}]++

		if e.DisabledAt != nil {
			continue
		}

		name := e.ID.String()
		if e.Kind == delivery.Mail {
			name = string(delivery.Mail)
		}

		to <- gaugeOf(endpointFailing, e.FailingFor.Seconds(), name)
		to <- gaugeOf(endpointLag, e.Lag.Seconds(), name)
		to <- gaugeOf(deliveriesWaiting, float64(e.Waiting), name)
	}

	for c, n := range states {
		to <- gaugeOf(endpoints, float64(n), c.kind, c.state)
	}
}
