// Package page makes the pages of the console: the layout, templates with their formats and
// charts, forms, and lists in pages.
//
// A page is a function that reads what the page shows, and a template. Pages work without
// scripts. A script replaces the parts of a page that are marked as live with those of the
// same page, read again. Forms are sent to routes that do what the API's operations do. They
// then redirect to a page (post, redirect, get). Each form has an id, so that one that is sent
// twice acts once.
package page

import (
	"net/http"

	"orders/api/access"
)

// A Site is what all pages have in common.
type Site struct {
	Version string
	RiverUI bool // River UI is served, and pages link to it
	Open    bool // no token is asked for, and everybody may do everything
}

// A Route is a page or an act, and who may use it.
type Route struct {
	Pattern string
	Roles   []access.Role
	Handler http.Handler
}

// A Read reads what a page shows.
type Read func(r *http.Request) (View, error)

// An Act does what a form asks for, and returns the address of the page to show then.
type Act func(r *http.Request) (address string, err error)

// Get is the route of a page for viewers.
func (s *Site) Get(path string, read Read) Route {
	return Route{"GET " + path, access.ToWatch, s.show(read)}
}

// GetOperator is the route of a page for operators.
func (s *Site) GetOperator(path string, read Read) Route {
	return Route{"GET " + path, access.ToOperate, s.show(read)}
}

// Post is the route of a form. If the act is refused, the page with the form is shown again
// with the reason.
func (s *Site) Post(path string, act Act, from Read) Route {
	return s.PostShown(path, func(r *http.Request) (View, error) {
		address, err := act(r)

		return View{Redirect: address}, err
	}, from)
}

// PostShown is [Site.Post] with an act that may show a page of its own. That is for what must
// not be shown a second time.
func (s *Site) PostShown(path string, act, from Read) Route {
	return Route{"POST " + path, access.ToOperate, s.do(act, from)}
}
