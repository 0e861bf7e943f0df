//go:build browser

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// chromium is where the browser is.
func chromium(t *testing.T) string {
	t.Helper()

	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}

	t.Fatal("no Chromium: install it (apt-get install chromium)")

	return ""
}

var chromiumFlags = []string{
	"--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
}

// A browser is a Chromium that is driven by the DevTools protocol through pipes. The protocol is
// few lines, and a module that drives it would be many.
type browser struct {
	t    *testing.T
	to   *os.File
	mu   sync.Mutex
	last int
	wait map[int]chan message
	tabs map[string]*tab // by session
}

// A message is a command, its response, or an event.
type message struct {
	ID        int             `json:"id,omitempty"`
	SessionID string          `json:"sessionId,omitempty"` //nolint:tagliatelle // the protocol's spelling
	Method    string          `json:"method,omitempty"`
	Params    any             `json:"params,omitempty"`
	Result    json.RawMessage `json:"result,omitempty"`
	Error     json.RawMessage `json:"error,omitempty"`
}

func startBrowser(t *testing.T) *browser {
	t.Helper()

	in, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}

	from, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, chromium(t), append(chromiumFlags, "--remote-debugging-pipe", "--user-data-dir="+t.TempDir())...)
	cmd.ExtraFiles = []*os.File{in, out} // Chromium reads file descriptor 3, and writes 4

	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}

	in.Close()
	out.Close()

	b := &browser{t: t, to: to, wait: map[int]chan message{}, tabs: map[string]*tab{}}
	go b.read(from)

	t.Cleanup(func() {
		to.Close() // it ends by itself, with its children
		time.AfterFunc(browserPatience, cancel)
		cmd.Wait()
		cancel()
		from.Close()
	})

	return b
}

const browserPatience = 30 * time.Second

// read hands responses to those that wait for them, and events to their tabs.
func (b *browser) read(from *os.File) {
	lines := bufio.NewReader(from)

	for {
		data, err := lines.ReadBytes(0)
		if err != nil {
			return
		}

		var m message
		if json.Unmarshal(bytes.TrimSuffix(data, []byte{0}), &m) != nil {
			continue
		}

		b.mu.Lock()
		if waiting, found := b.wait[m.ID]; found && m.ID > 0 {
			delete(b.wait, m.ID)
			waiting <- m
		} else if tab := b.tabs[m.SessionID]; tab != nil {
			tab.note(m.Method, string(data))
		}
		b.mu.Unlock()
	}
}

// call sends a command, and returns what it returns.
func (b *browser) call(session, method string, params map[string]any) (json.RawMessage, error) {
	response := make(chan message, 1)

	b.mu.Lock()
	b.last++
	b.wait[b.last] = response
	data, err := json.Marshal(message{ID: b.last, SessionID: session, Method: method, Params: params})
	if err == nil {
		_, err = b.to.Write(append(data, 0))
	}
	b.mu.Unlock()

	if err != nil {
		return nil, err
	}

	select {
	case m := <-response:
		if m.Error != nil {
			return nil, fmt.Errorf("%s: %s", method, m.Error)
		}

		return m.Result, nil
	case <-time.After(browserPatience):
		return nil, fmt.Errorf("%s: no response within %s", method, browserPatience)
	}
}

// A tab is a page in the browser.
type tab struct {
	*browser

	session string
	url     string   // of the server
	faults  []string // errors of scripts, and what the page's policy has refused
}

// tab opens a tab for the pages of a server.
func (b *browser) tab(url string) *tab {
	b.t.Helper()

	var target struct{ TargetID string }

	var attached struct{ SessionID string }

	b.must("", "Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	b.must("", "Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)

	page := &tab{browser: b, session: attached.SessionID, url: url}

	b.mu.Lock()
	b.tabs[page.session] = page
	b.mu.Unlock()

	for _, domain := range []string{"Page", "Runtime", "Log"} {
		page.command(domain+".enable", nil)
	}

	page.size(1280, 800)

	return page
}

func (b *browser) must(session, method string, params map[string]any, result any) {
	b.t.Helper()

	data, err := b.call(session, method, params)
	if err == nil && result != nil {
		err = json.Unmarshal(data, result)
	}

	if err != nil {
		b.t.Fatal(err)
	}
}

func (p *tab) command(method string, params map[string]any) {
	p.t.Helper()
	p.must(p.session, method, params, nil)
}

func (p *tab) size(width, height int) {
	p.t.Helper()
	p.command("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false})
}

// note keeps what is wrong with a page.
func (p *tab) note(method, event string) {
	if method == "Runtime.exceptionThrown" || method == "Log.entryAdded" && strings.Contains(event, `"level":"error"`) {
		p.faults = append(p.faults, event)
	}
}

// sound fails the test if a script has failed, or a policy has refused something.
func (p *tab) sound() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()

	for _, fault := range p.faults {
		p.t.Errorf("the browser says: %s", fault)
	}
}

// run evaluates an expression in the page, and waits if its value is a promise. While a page
// makes place for the next one, there is no value.
func (p *tab) run(expression string) (value any, err error) {
	data, err := p.call(p.session, "Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true, "awaitPromise": true})
	if err != nil {
		return nil, err
	}

	var evaluated struct {
		Result struct {
			Value any `json:"value"`
		} `json:"result"`
		ExceptionDetails json.RawMessage `json:"exceptionDetails"` //nolint:tagliatelle // the protocol's spelling
	}

	if err := json.Unmarshal(data, &evaluated); err != nil {
		return nil, err
	}

	if evaluated.ExceptionDetails != nil {
		return nil, fmt.Errorf("%s: %s", expression, evaluated.ExceptionDetails)
	}

	return evaluated.Result.Value, nil
}

// is waits until a condition holds in the page.
func (p *tab) is(condition string) {
	p.t.Helper()

	var last any

	for deadline := time.Now().Add(browserPatience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		value, err := p.run(condition)
		if value == true {
			return
		}

		if last = value; err != nil {
			last = err
		}
	}

	text, _ := p.run(`location.href + "\n" + document.body.innerText`)
	p.t.Fatalf("%s: %v; the page is:\n%v", condition, last, text)
}

// open loads a page, in front of those of the other tabs: pages that are hidden are not read again.
func (p *tab) open(path string) {
	p.t.Helper()
	p.command("Page.bringToFront", nil)
	p.command("Page.navigate", map[string]any{"url": p.url + path})
	p.is(fmt.Sprintf(`document.readyState === "complete" && location.href === %q`, p.url+path))
}

// shows waits until the page shows a text.
func (p *tab) shows(text string) {
	p.t.Helper()
	p.is(fmt.Sprintf(`document.querySelector("main").innerText.includes(%q)`, text))
}

// click follows a link, or sends a form.
func (p *tab) click(selector string) {
	p.t.Helper()
	p.is(fmt.Sprintf(`document.querySelector(%q) !== null`, selector))

	if _, err := p.run(fmt.Sprintf(`document.querySelector(%q).click()`, selector)); err != nil {
		p.t.Fatal(err)
	}
}

// key presses a key that writes a text.
func (p *tab) key(name, text string) {
	p.t.Helper()

	codes := map[string]int{"Tab": 9, "Enter": 13}

	for _, what := range []string{"keyDown", "keyUp"} {
		params := map[string]any{"type": what, "key": name, "windowsVirtualKeyCode": codes[name]}
		if what == "keyDown" {
			params["text"] = text
		}

		p.command("Input.dispatchKeyEvent", params)
	}
}
