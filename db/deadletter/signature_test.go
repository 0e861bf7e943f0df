package deadletter_test

import (
	"strings"
	"testing"

	"orders/db/dbtest"
)

func TestSignaturesLeaveOutWhatDiffers(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)

	for message, want := range map[string]string{
		``:  `points:`,
		`x`: `points: x`,
		`JobCancelError: not-found: There is no order 0192f7a0-1111-7abc-8def-0123456789ab.`:                      `points: not-found: There is no order ?.`,
		`unavailable: dial tcp 127.0.0.1:5432: connect: connection refused`:                                       `points: unavailable: dial tcp ?: connect: connection refused`,
		`unavailable: dial tcp [::1]:5432: connect: connection refused`:                                           `points: unavailable: dial tcp ?: connect: connection refused`,
		`unavailable: read tcp 10.1.2.3:51234->10.1.2.4:5432: i/o timeout`:                                        `points: unavailable: read tcp ?->?: i/o timeout`,
		`lookup db-7.internal.example on 10.0.0.2:53: no such host`:                                               `points: lookup db-?.internal.example on ?: no such host`,
		"failed to connect to `user=orders database=orders`: db.example.com:5432: server error":                   `points: failed to connect to ?: ?: server error`,
		`dial unix /run/postgres/.s.PGSQL.5432: connect: no such file`:                                            `points: dial unix ?: connect: no such file`,
		`earn points: ERROR: relation "points_entries" does not exist (SQLSTATE 42P01)`:                           `points: earn points: ERROR: relation "points_entries" does not exist (SQLSTATE 42P01)`,
		`ERROR: duplicate key value violates unique constraint "orders_pkey" (SQLSTATE 23505)`:                    `points: ERROR: duplicate key value violates unique constraint "orders_pkey" (SQLSTATE 23505)`,
		`FATAL: password authentication failed for user "orders_7" (SQLSTATE 28P01)`:                              `points: FATAL: password authentication failed for user ? (SQLSTATE 28P01)`,
		`XX000 internal (SQLSTATE XX000)`:                                                                         `points: XX? internal (SQLSTATE XX000)`,
		`There is no product "tea"; it isn't there, can't be`:                                                     `points: There is no product ?; it isn't there, can't be`,
		`value 'a b' of 12 is above -3.5, after 250ms`:                                                            `points: value ? of ? is above ?, after ?`,
		`at 2026-03-01T12:30:00.123Z and 2026-03-01 12:30:00 UTC and 2026-03-01`:                                  `points: at ? and ? and ?`,
		`hash 9f86d081884c7d659a2feaa0c55ad015 at 0xc000123456 of sku-17, u12345, utf8`:                           `points: hash ? at ? of sku-?, u?, utf8`,
		`POST https://hooks.example.com/x/17?token=abc: 503`:                                                      `points: POST ? ?`,
		"panic in batch: runtime error: index out of range [5] with length 3\ngoroutine 7 [running]:\nmain.go:12": `points: panic in batch: runtime error: index out of range [?] with length ?`,
		"a\t b   c":                    `points: a b c`,
		strings.Repeat("long ", 1_000): ("points: " + strings.Repeat("long ", 60))[:250],
	} {
		var got string
		if err := pool.QueryRow(t.Context(), `SELECT error_signature('points', $1)`, message).Scan(&got); err != nil {
			t.Fatal(err)
		}

		if got != want {
			t.Errorf("%q\n got %s\nwant %s", message, got, want)
		}
	}
}
