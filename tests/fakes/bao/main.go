// A FAKE of the server of OpenBao and HashiCorp Vault, for tests of the role where no real one can be had.
//
// It follows https://openbao.org/api-docs/system/ for init, seal-status, unseal, health, leader, audit and
// storage/raft (snapshot, configuration), and KV version 2 as far as one secret. Its configuration is parsed by the library that they
// use; it notifies systemd, opens its certificate and its log again on SIGHUP, joins by retry_join, and hands
// leadership on.
//
// Left out: everything else. Nothing is encrypted, the shares are no Shamir shares, and what it calls raft is a leader
// that sends its whole state to the others and waits for most of them. It shows nothing of a real server's safety.
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/hcl"
)

var version = "0.0.0"

// Votes come to those who joined after this time; the server's own default is ten seconds (server_stabilization_time).
const stable = 4 * time.Second

// State is what every server of the cluster has on its disk.
type State struct {
	Keys      []string
	Threshold int
	Root      string
	Index     int
	Members   []string
	Joined    map[string]time.Time
	Data      map[string]json.RawMessage
}

type Server struct {
	sync.Mutex
	path, api, audit, seal string
	joins                  []string
	client                 *http.Client
	state                  State
	entered                map[string]bool
	sealed, leads          bool
	leader                 string
}

type answer map[string]any

func main() {
	if len(os.Args) > 1 && os.Args[1] == "version" {
		fmt.Printf("OpenBao v%s (a fake)\n", version)
		return
	}
	if len(os.Args) < 3 || os.Args[1] != "server" || !strings.HasPrefix(os.Args[2], "-config=") {
		fmt.Fprintln(os.Stderr, "usage: bao server -config=FILE")
		os.Exit(2)
	}
	text, err := os.ReadFile(strings.TrimPrefix(os.Args[2], "-config="))
	must(err)
	var config map[string]any
	must(hcl.Decode(&config, string(text)))
	server := &Server{sealed: true, entered: map[string]bool{}, api: value(config, "api_addr")}
	server.path = filepath.Join(value(config, "storage", "raft", "path"), "state.json")
	for _, device := range blocks(config, "audit", "file") {
		for name := range device {
			server.audit = value(device, name, "options", "file_path")
		}
	}
	for _, seal := range blocks(config, "seal") {
		for kind := range seal {
			server.seal = kind
		}
	}
	roots := x509.NewCertPool()
	for _, join := range blocks(config, "storage", "raft", "retry_join") {
		server.joins = append(server.joins, value(join, "leader_api_addr"))
		ca, err := os.ReadFile(value(join, "leader_ca_cert_file"))
		must(err)
		roots.AppendCertsFromPEM(ca)
	}
	server.client = &http.Client{
		// A server that is gone is noticed at once; one on a busy machine is not taken for gone.
		Timeout: 15 * time.Second,
		Transport: &http.Transport{
			DialContext:       (&net.Dialer{Timeout: 2 * time.Second}).DialContext,
			TLSClientConfig:   &tls.Config{RootCAs: roots},
			DisableKeepAlives: true,
		},
	}
	if server.audit != "" {
		server.log("start")
	}
	server.load()
	if server.seal != "" && server.initialized() {
		server.sealed = false
	}
	go server.follow()
	tcp := blocks(config, "listener", "tcp")[0]
	server.listen(value(tcp, "address"), value(tcp, "tls_cert_file"), value(tcp, "tls_key_file"))
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bao:", err)
		os.Exit(1)
	}
}

// blocks below the last of these names: HCL gives every block as a list.
func blocks(config map[string]any, names ...string) []map[string]any {
	found := []map[string]any{config}
	for _, name := range names {
		var below []map[string]any
		for _, block := range found {
			more, _ := block[name].([]map[string]any)
			below = append(below, more...)
		}
		found = below
	}
	return found
}

func value(config map[string]any, names ...string) string {
	last := len(names) - 1
	for _, block := range blocks(config, names[:last]...) {
		if text, ok := block[names[last]].(string); ok {
			return text
		}
	}
	return ""
}

func (s *Server) listen(address, cert, key string) {
	var lock sync.Mutex
	var pair tls.Certificate
	load := func() {
		loaded, err := tls.LoadX509KeyPair(cert, key)
		must(err)
		lock.Lock()
		pair = loaded
		lock.Unlock()
	}
	load()
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	go func() {
		for range hangup {
			load()
			if s.audit != "" {
				s.log("reload")
			}
		}
	}()
	config := &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		lock.Lock()
		defer lock.Unlock()
		found := pair
		return &found, nil
	}}
	listener, err := tls.Listen("tcp", address, config)
	must(err)
	if socket := os.Getenv("NOTIFY_SOCKET"); socket != "" {
		connection, err := net.Dial("unixgram", socket)
		must(err)
		_, err = connection.Write([]byte("READY=1"))
		must(err)
	}
	must(http.Serve(listener, s))
}

func (s *Server) load() {
	if text, err := os.ReadFile(s.path); err == nil {
		must(json.Unmarshal(text, &s.state))
	}
}

func (s *Server) save() {
	text, _ := json.Marshal(s.state)
	must(os.WriteFile(s.path+".new", text, 0o600))
	must(os.Rename(s.path+".new", s.path))
}

func (s *Server) log(path string) {
	file, err := os.OpenFile(s.audit, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	must(err)
	defer file.Close()
	fmt.Fprintf(file, "{\"type\":\"request\",\"request\":{\"path\":%q}}\n", path)
}

func (s *Server) initialized() bool { return len(s.state.Keys) > 0 }

func (s *Server) active() bool { return s.initialized() && !s.sealed && s.leads }

func random() string {
	text := make([]byte, 32)
	_, err := rand.Read(text)
	must(err)
	return base64.StdEncoding.EncodeToString(text)
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/v1/")
	body, _ := io.ReadAll(r.Body)
	s.Lock()
	defer s.Unlock()
	switch {
	case path == "sys/health":
		s.health(w, r)
	case path == "sys/seal-status":
		reply(w, 200, s.status())
	case path == "sys/leader" && (s.sealed || !s.initialized()):
		reply(w, 503, answer{"errors": []string{"Vault is sealed"}})
	case path == "sys/leader":
		reply(w, 200, answer{
			"ha_enabled": true, "is_self": s.leads, "leader_address": s.leader,
			"raft_committed_index": s.state.Index, "raft_applied_index": s.state.Index,
		})
	case path == "sys/init" && r.Method == "PUT":
		s.init(w, body)
	case path == "sys/unseal" && r.Method == "PUT":
		s.unseal(w, body)
	case path == "fake/join" && s.active():
		s.join(w, body)
	case path == "fake/state" && r.Method == "PUT" && s.initialized():
		must(json.Unmarshal(body, &s.state))
		s.save()
		reply(w, 200, answer{})
	case s.sealed || !s.initialized() || s.leader == "":
		reply(w, 503, answer{"errors": []string{"Vault is sealed"}})
	case r.Header.Get("X-Vault-Token") != s.state.Root:
		reply(w, 403, answer{"errors": []string{"permission denied"}})
	case !s.leads:
		leader := s.leader
		s.Unlock() // the leader may send its state here before it answers
		s.forward(w, r, leader, body)
		s.Lock()
	default:
		if s.audit != "" {
			s.log(path)
		}
		s.serve(w, r, path, body)
	}
}

func reply(w http.ResponseWriter, status int, body answer) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	must(json.NewEncoder(w).Encode(body))
}

func (s *Server) status() answer {
	kind := "shamir"
	if s.seal != "" {
		kind = s.seal
	}
	return answer{"type": kind, "initialized": s.initialized(), "sealed": s.sealed, "t": s.state.Threshold,
		"n": len(s.state.Keys), "progress": len(s.entered), "version": version, "storage_type": "raft"}
}

func (s *Server) health(w http.ResponseWriter, r *http.Request) {
	status, query := 200, r.URL.Query()
	switch {
	case !s.initialized() && query.Get("uninitcode") != "200":
		status = 501
	case s.initialized() && s.sealed && query.Get("sealedcode") != "200":
		status = 503
	case s.initialized() && !s.sealed && !s.leads && query.Get("standbyok") != "true":
		status = 429
	}
	reply(w, status, answer{"initialized": s.initialized(), "sealed": s.sealed, "standby": !s.active(), "version": version})
}

func (s *Server) init(w http.ResponseWriter, body []byte) {
	var asked map[string]int
	must(json.Unmarshal(body, &asked))
	kind, keys := "secret", "keys_base64"
	if s.seal != "" {
		kind, keys = "recovery", "recovery_keys_base64"
	}
	if s.initialized() || asked[kind+"_shares"] < 1 {
		reply(w, 400, answer{"errors": []string{"invalid request"}})
		return
	}
	s.state = State{Threshold: asked[kind+"_threshold"], Root: "s." + random(), Index: 1, Members: []string{s.api},
		Joined: map[string]time.Time{}, Data: map[string]json.RawMessage{}}
	for range make([]int, asked[kind+"_shares"]) {
		s.state.Keys = append(s.state.Keys, random())
	}
	s.save()
	if s.seal != "" {
		s.sealed, s.leads, s.leader = false, true, s.api
	}
	reply(w, 200, answer{keys: s.state.Keys, "root_token": s.state.Root})
}

func (s *Server) unseal(w http.ResponseWriter, body []byte) {
	var asked struct{ Key string }
	must(json.Unmarshal(body, &asked))
	for _, key := range s.state.Keys {
		if key == asked.Key {
			s.entered[key] = true
		}
	}
	if !s.entered[asked.Key] {
		reply(w, 400, answer{"errors": []string{"invalid key"}})
		return
	}
	if len(s.entered) >= s.state.Threshold {
		s.sealed, s.entered = false, map[string]bool{}
		if len(s.state.Members) == 1 {
			s.leads, s.leader = true, s.api
		}
	}
	reply(w, 200, s.status())
}

func (s *Server) join(w http.ResponseWriter, body []byte) {
	var asked struct{ Address string }
	must(json.Unmarshal(body, &asked))
	known := false
	for _, member := range s.state.Members {
		known = known || member == asked.Address
	}
	if !known {
		s.state.Members = append(s.state.Members, asked.Address)
		s.state.Joined[asked.Address] = time.Now()
	}
	s.commit()
	text, _ := json.Marshal(s.state)
	var whole answer
	must(json.Unmarshal(text, &whole))
	reply(w, 200, whole)
}

// commit sends the state to the other members; whether most of all have it.
func (s *Server) commit() bool {
	s.state.Index++
	s.save()
	text, _ := json.Marshal(s.state)
	have := 1
	for _, member := range s.state.Members {
		if member != s.api && s.ask("PUT", member+"/v1/fake/state", text, nil) == nil {
			have++
		}
	}
	return have > len(s.state.Members)/2
}

func (s *Server) ask(method, address string, body []byte, into any) error {
	request, err := http.NewRequest(method, address, bytes.NewReader(body))
	must(err)
	found, err := s.client.Do(request)
	if err != nil {
		return err
	}
	defer found.Body.Close()
	if found.StatusCode != 200 {
		return fmt.Errorf("%d", found.StatusCode)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(found.Body).Decode(into)
}

func (s *Server) forward(w http.ResponseWriter, r *http.Request, leader string, body []byte) {
	request, err := http.NewRequest(r.Method, leader+r.URL.String(), bytes.NewReader(body))
	must(err)
	request.Header = r.Header
	found, err := s.client.Do(request)
	if err != nil {
		reply(w, 500, answer{"errors": []string{"no leader"}})
		return
	}
	defer found.Body.Close()
	w.Header().Set("Content-Type", found.Header.Get("Content-Type"))
	w.WriteHeader(found.StatusCode)
	_, _ = io.Copy(w, found.Body)
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request, path string, body []byte) {
	snapshot := "sys/storage/raft/snapshot"
	switch {
	case path == snapshot && r.Method == "GET":
		w.Header().Set("Content-Type", "application/gzip")
		_, _ = w.Write(s.snapshot())
	case strings.HasPrefix(path, snapshot) && r.Method == "POST":
		s.restore(w, body, path == snapshot+"-force")
	case path == "sys/storage/raft/configuration":
		servers := []answer{}
		for _, member := range s.state.Members {
			at, err := url.Parse(member)
			must(err)
			servers = append(servers, answer{"node_id": member, "address": at.Hostname() + ":8201", "leader": member == s.api,
				"voter": time.Since(s.state.Joined[member]) > stable})
		}
		reply(w, 200, answer{"data": answer{"config": answer{"servers": servers, "index": 0}}})
	case path == "sys/audit/file" && r.Method == "PUT":
		var asked struct{ Options map[string]string }
		must(json.Unmarshal(body, &asked))
		s.audit = asked.Options["file_path"]
		s.log(path)
		w.WriteHeader(204)
	case strings.HasPrefix(path, "secret/data/") && (r.Method == "POST" || r.Method == "PUT"):
		s.state.Data[path] = body
		if !s.commit() {
			reply(w, 500, answer{"errors": []string{"no quorum"}})
			return
		}
		reply(w, 200, answer{"data": answer{"version": 1}})
	case strings.HasPrefix(path, "secret/data/") && r.Method == "GET" && s.state.Data[path] != nil:
		reply(w, 200, answer{"data": s.state.Data[path]})
	case path == "sys/mounts/secret" && r.Method == "POST":
		w.WriteHeader(204)
	default:
		reply(w, 404, answer{"errors": []string{}})
	}
}

func (s *Server) snapshot() []byte {
	state, _ := json.Marshal(s.state)
	meta := []byte(fmt.Sprintf(`{"Version":1,"Index":%d}`, s.state.Index))
	sums := fmt.Sprintf("%x  meta.json\n%x  state.bin\n", sha256.Sum256(meta), sha256.Sum256(state))
	var out bytes.Buffer
	packed := gzip.NewWriter(&out)
	archive := tar.NewWriter(packed)
	for _, file := range []struct {
		name    string
		content []byte
	}{{"meta.json", meta}, {"state.bin", state}, {"SHA256SUMS", []byte(sums)}} {
		must(archive.WriteHeader(&tar.Header{Name: file.name, Mode: 0o600, Size: int64(len(file.content))}))
		_, _ = archive.Write(file.content)
	}
	must(archive.Close())
	must(packed.Close())
	return out.Bytes()
}

func (s *Server) restore(w http.ResponseWriter, body []byte, force bool) {
	packed, err := gzip.NewReader(bytes.NewReader(body))
	must(err)
	archive := tar.NewReader(packed)
	var found State
	for {
		entry, err := archive.Next()
		if err != nil {
			break
		}
		if entry.Name == "state.bin" {
			must(json.NewDecoder(archive).Decode(&found))
		}
	}
	if !force && (len(found.Keys) == 0 || found.Keys[0] != s.state.Keys[0]) {
		reply(w, 400, answer{"errors": []string{"could not verify hash file"}})
		return
	}
	found.Index, found.Members, found.Joined = s.state.Index, s.state.Members, s.state.Joined
	s.state = found
	s.commit()
	w.WriteHeader(204)
}

// follow joins the cluster, and takes over where nobody leads.
func (s *Server) follow() {
	for missed := 0; ; time.Sleep(300 * time.Millisecond) {
		s.Lock()
		initialized, sealed, leads, members, index := s.initialized(), s.sealed, s.leads, s.state.Members, s.state.Index
		s.Unlock()
		if !initialized {
			s.tryJoin()
			continue
		}
		if sealed || leads {
			missed = 0
			continue
		}
		leader, best, awake, behind := "", s.api, 1, false
		for _, member := range members {
			var health struct{ Sealed, Standby bool }
			if member == s.api || s.ask("GET", member+"/v1/sys/health?standbyok=true", nil, &health) != nil || health.Sealed {
				continue
			}
			awake++
			var state struct {
				Index int `json:"raft_applied_index"`
			}
			_ = s.ask("GET", member+"/v1/sys/leader", nil, &state)
			if !health.Standby {
				leader, behind = member, state.Index > index
			}
			if state.Index > index || (state.Index == index && member < best) {
				best = member
			}
		}
		if behind { // joining again makes the leader send its state
			body, _ := json.Marshal(answer{"Address": s.api})
			_ = s.ask("PUT", leader+"/v1/fake/join", body, nil)
		}
		missed++
		s.Lock()
		if leader != "" {
			s.leader, missed = leader, 0
		} else if missed > 3 && best == s.api && awake > len(members)/2 {
			s.leader, s.leads, missed = s.api, true, 0
		} else {
			s.leader = ""
		}
		s.Unlock()
	}
}

func (s *Server) tryJoin() {
	body, _ := json.Marshal(answer{"Address": s.api})
	for _, address := range s.joins {
		var state State
		if s.ask("PUT", address+"/v1/fake/join", body, &state) == nil && len(state.Keys) > 0 {
			s.Lock()
			if !s.initialized() {
				s.state = state
				s.sealed = s.seal == ""
				s.save()
			}
			s.Unlock()
			return
		}
	}
}
