package access

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// An address may fail this often at once, and then once in a while. The numbers let a person
// mistype, and a program with a revoked token find out.
const (
	failureBurst = 10
	failureEvery = 6 * time.Second
	maxAddresses = 10_000 // bounds the memory: beyond, addresses are forgotten
)

// failures counts tokens that were not known, by the address of their sender. A network of
// IPv6, which one sender has whole, is one address.
type failures struct {
	mu sync.Mutex
	by map[netip.Prefix]*rate.Limiter
}

// count counts a failure, and returns how long the address must wait; 0 if it need not.
func (f *failures) count(address netip.Addr) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()

	key := network(address)

	limiter := f.by[key]
	if limiter == nil {
		if len(f.by) >= maxAddresses {
			f.forget()
		}

		limiter = rate.NewLimiter(rate.Every(failureEvery), failureBurst)
		f.by[key] = limiter
	}

	if limiter.Allow() {
		return 0
	}

	return failureEvery
}

// wait is how long an address must wait before it may try again; 0 if it may.
func (f *failures) wait(address netip.Addr) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()

	if limiter := f.by[network(address)]; limiter != nil && limiter.Tokens() < 1 {
		return failureEvery
	}

	return 0
}

// forget makes room: it forgets the addresses that have not failed lately, or else any half.
func (f *failures) forget() {
	for key, limiter := range f.by {
		if limiter.Tokens() >= failureBurst {
			delete(f.by, key)
		}
	}

	for key := range f.by {
		if len(f.by) <= maxAddresses/2 {
			return
		}

		delete(f.by, key)
	}
}

const networkBits = 64 // of an IPv6 address

func network(address netip.Addr) netip.Prefix {
	bits := address.BitLen()
	if address.Is6() {
		bits = networkBits
	}

	prefix, _ := address.WithZone("").Prefix(bits) // the zero prefix for no address

	return prefix
}
