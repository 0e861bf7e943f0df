package settings

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Kubernetes sets these for a service that is called orders.
var ofKubernetes = regexp.MustCompile(`_SERVICE_(HOST|PORT)|_PORT(_\d+_(TCP|UDP).*)?$`)

var oldWorkers = regexp.MustCompile(`^ORDERS_([A-Z]+)_WORKERS$`)

// Unknown returns a warning for each variable of the environment that looks like a setting
// and is none. It is no mistake: an older program may start with the settings of a newer one.
func Unknown(environment, known []string) (warnings []string) {
	for _, variable := range environment {
		name, value, _ := strings.Cut(variable, "=")

		switch {
		case !strings.HasPrefix(name, "ORDERS_"), strings.HasPrefix(name, "ORDERS_TEST_"),
			slices.Contains(known, name), ofKubernetes.MatchString(name):
			continue
		case oldWorkers.MatchString(name):
			queue := strings.ToLower(oldWorkers.FindStringSubmatch(name)[1])
			warnings = append(warnings, fmt.Sprintf("%s is no setting any more; write ORDERS_CONCURRENCY=%s:%s", name, queue, value))
		default:
			warnings = append(warnings, name+" is no setting of this program; `orders --help` lists them")
		}
	}

	return warnings
}
