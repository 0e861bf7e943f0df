package page

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"mime"
	"net/http"
	"path"

	"orders/api/problem"
	"orders/order"
)

//go:embed assets templates
var files embed.FS

// assetVersion is in the addresses of the assets, so that browsers may keep them: other
// assets have other addresses.
var assetVersion = func() string {
	hash := sha256.New()

	entries, _ := files.ReadDir("assets")
	for _, entry := range entries {
		data, _ := files.ReadFile("assets/" + entry.Name())
		hash.Write(data)
	}

	return hex.EncodeToString(hash.Sum(nil))[:12]
}()

// ServeAsset serves a file that pages load. The files have no data, so they are for anyone.
func ServeAsset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")

	data, err := files.ReadFile("assets/" + name)
	if err != nil {
		problem.New(r.Context(), order.NotFound, "").Write(w)

		return
	}

	w.Header().Set("Content-Type", mime.TypeByExtension(path.Ext(name)))

	if r.URL.Query().Get("v") == assetVersion {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}

	w.Write(data) //nolint:gosec // a file of the program
}
