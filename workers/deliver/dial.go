package deliver

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"orders/db/delivery"
)

// A privateAddressError is one that events are not sent to.
type privateAddressError struct{ addr netip.Addr }

func (r *privateAddressError) Error() string {
	return fmt.Sprintf("%s is not a public address; ORDERS_WEBHOOK_ALLOW_PRIVATE allows it", r.addr)
}

// dialer looks at the address of each connection after its name was resolved: a name that resolves to another
// address at the second question cannot lead into the network of the workers.
func dialer(allowPrivate bool) *net.Dialer {
	d := &net.Dialer{Timeout: sendTimeout / 3, KeepAlive: time.Minute} //nolint:mnd // a part of the whole

	if !allowPrivate {
		d.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error {
			at, err := netip.ParseAddrPort(address)
			if err != nil {
				return fmt.Errorf("parse address: %w", err)
			}

			if !delivery.IsPublic(at.Addr()) {
				return &privateAddressError{addr: at.Addr()}
			}

			return nil
		}
	}

	return d
}
