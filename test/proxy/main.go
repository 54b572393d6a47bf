// Proxy is an HTTP proxy by a library that is not ours, with the one user that its
// arguments name. It prints its address, and then each host that it is asked for.
//
//	proxy USER PASSWORD
package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/elazarl/goproxy"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) != 2 {
		return fmt.Errorf("usage: proxy USER PASSWORD")
	}
	proxy := goproxy.NewProxyHttpServer()
	wanted := "Basic " + base64.StdEncoding.EncodeToString([]byte(arguments[0]+":"+arguments[1]))
	proxy.OnRequest().HandleConnectFunc(func(host string, asked *goproxy.ProxyCtx) (*goproxy.ConnectAction, string) {
		if asked.Req.Header.Get("Proxy-Authorization") != wanted {
			//nolint:bodyclose // the library sends and closes it
			asked.Resp = goproxy.NewResponse(asked.Req, goproxy.ContentTypeText, http.StatusProxyAuthRequired, "credentials are required")
			return goproxy.RejectConnect, host
		}
		fmt.Fprintln(os.Stdout, "connect", host)
		return goproxy.OkConnect, host
	})
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, "listening", listener.Addr())
	server := &http.Server{Handler: proxy, ReadHeaderTimeout: 10 * time.Second}
	return server.Serve(listener)
}
