package simulator

import "net/http"

// ControlPath is below what the simulator itself is controlled.
const ControlPath = "/simulator/"

func (s *Server) control() http.Handler { return http.NotFoundHandler() }
