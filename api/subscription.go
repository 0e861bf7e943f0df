package api

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/google/uuid"

	"orders/order"
)

// A state is an order as streams show it.
type state struct {
	id      string // the same for the same content
	data    []byte
	status  order.Status
	settled bool
}

func stateOf(o order.Order) (state, error) {
	data, err := json.Marshal(o)
	if err != nil {
		return state{}, err
	}

	sum := sha256.Sum256(data)

	return state{id: hex.EncodeToString(sum[:8]), data: data, status: o.Status, settled: o.Settled()}, nil
}

// A subscription is a stream's place in the watch.
type subscription struct {
	order uuid.UUID
	news  chan state // buffered: the newest look, whatever the stream is doing
}

// put replaces what the stream has not taken yet. Only the looking goroutine puts.
func (s *subscription) put(now state) {
	select {
	case <-s.news:
	default:
	}

	s.news <- now
}
