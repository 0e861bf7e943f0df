package api

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"

	"orders/order"
)

// An etag is a product's entity tag. It is strong: a product with the same tag is the same
// in each byte, so its stock is part of the tag. The entry has a part of its own, as a PUT
// replaces the entry and not the stock: a sale in between does not make its If-Match stale.
type etag struct {
	entry string // a hash; versions that are counted would have to be stored
	stock string
}

func etagOf(p order.Product) etag {
	stock := strconv.FormatInt(p.Available, 10)
	p.Available = 0

	entry, err := json.Marshal(productOf(p))
	if err != nil {
		return etag{} // texts, integers and times of the database can always be written
	}

	hash := sha256.Sum256(entry)

	return etag{entry: base64.RawURLEncoding.EncodeToString(hash[:8]), stock: stock}
}

func (e etag) String() string { return `"` + e.entry + "." + e.stock + `"` }

// sameEntry tells whether a tag is of the same entry, with whatever stock.
func (e etag) sameEntry(sent string) bool { return strings.HasPrefix(sent, `"`+e.entry+".") }

// An ETagHeader is in responses that are a product. Exported, as huma skips embedded structs
// that are not.
type ETagHeader struct {
	ETag string `header:"ETag" doc:"The product's entity tag, for If-Match and If-None-Match" example:"\"x1Vbq0kDRNc.100\""` //nolint:tagliatelle // the name that RFC 9110 gives
}

func (e etag) header() ETagHeader { return ETagHeader{ETag: e.String()} }
