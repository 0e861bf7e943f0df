package telemetry

import (
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
)

// poolCollector tells of the connections of this process.
type poolCollector struct{ pool *pgxpool.Pool }

var (
	poolConnections = desc("orders_pool_connections",
		"Connections of the pool, by state.", "state")
	poolMost = desc("orders_pool_max_connections",
		"Bound of the pool's connections (pool_max_conns).")
	poolAcquired = desc("orders_pool_acquires_total",
		"How often a connection was taken from the pool.")
	poolWaits = desc("orders_pool_waits_total",
		"How often none was free, so that one was waited for or made.")
	poolWaitTime = desc("orders_pool_wait_seconds_total",
		"Time of these waits.")
	poolCancelled = desc("orders_pool_cancelled_total",
		"Waits that ended without a connection.")
)

// Describe is for Prometheus.
func (*poolCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{poolConnections, poolMost, poolAcquired, poolWaits, poolWaitTime, poolCancelled} {
		to <- d
	}
}

// Collect is for Prometheus.
func (c *poolCollector) Collect(to chan<- prometheus.Metric) {
	stat := c.pool.Stat()

	to <- gaugeOf(poolConnections, float64(stat.AcquiredConns()), "acquired")
	to <- gaugeOf(poolConnections, float64(stat.IdleConns()), "idle")
	to <- gaugeOf(poolConnections, float64(stat.ConstructingConns()), "connecting")
	to <- gaugeOf(poolMost, float64(stat.MaxConns()))
	to <- counterOf(poolAcquired, float64(stat.AcquireCount()))
	to <- counterOf(poolWaits, float64(stat.EmptyAcquireCount()))
	to <- counterOf(poolWaitTime, stat.EmptyAcquireWaitTime().Seconds())
	to <- counterOf(poolCancelled, float64(stat.CanceledAcquireCount()))
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

func gaugeOf(d *prometheus.Desc, value float64, labels ...string) prometheus.Metric { //nolint:ireturn // Prometheus' own
	return prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}

func counterOf(d *prometheus.Desc, value float64) prometheus.Metric { //nolint:ireturn // Prometheus' own
	return prometheus.MustNewConstMetric(d, prometheus.CounterValue, value)
}
