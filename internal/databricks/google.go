package databricks

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/url"
	"strings"
	"time"
)

// This file has the credential of a Google service account: its key, with which Google
// issues id tokens for workspaces on GCP (RFC 7523). Unlike the SDK it requests no access
// token for Google's own APIs and does not send one to the workspace.

const (
	googleTokenURL = "https://oauth2.googleapis.com/token" //nolint:gosec // an address
	// googleAssertionLifetime is the lifetime of an assertion, which is used once, at once.
	// googleSkew allows for a clock that is ahead of Google's.
	googleAssertionLifetime = 10 * time.Minute
	googleSkew              = 10 * time.Second
	// googleTokenLifetime is the lifetime of Google's id tokens.
	googleTokenLifetime = time.Hour
)

// googleLogin returns the host that issues tokens for a workspace on GCP.
func googleLogin(workspace Origin) (Origin, error) {
	if !strings.HasSuffix(workspace.host, ".gcp.databricks.com") {
		return Origin{}, errors.New("is no workspace on GCP, and Google issues tokens only for those")
	}
	return Origin{"oauth2.googleapis.com", httpsPort}, nil
}

// googleKey is the grant of the key of a service account. The document is the key as
// Google's console exports it.
type googleKey struct {
	document secret
	// audience is the URL of the workspace.
	audience string
}

func newGoogleKey(credential *credential, workspace *sender) tokenSource {
	// The host was checked with the credential.
	login, _ := googleLogin(workspace.origin)
	return &oauth{
		sender: workspace.to(login), issuer: login.host, endpoint: "/token", parse: parseIDToken,
		grant: googleKey{document: credential.values["google_credentials"], audience: workspace.origin.String()},
	}
}

func (k googleKey) request(context.Context, string) (request, error) {
	account, err := parseGoogleKey(k.document())
	if err != nil {
		return request{}, &Error{Class: ClassUnauthenticated, Message: "the key of the service account " + err.Error()}
	}
	assertion, err := account.assertion(k.audience, time.Now())
	if err != nil {
		return request{}, &Error{Class: ClassUnauthenticated, Message: "the key of the service account cannot sign"}
	}
	form := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {assertion}}
	return request{body: []byte(form.Encode()), hidden: assertion}, nil
}

func (k googleKey) advice() string { return "" }

// googleAccount is a service account with its private key.
type googleAccount struct {
	email, keyID string
	key          *rsa.PrivateKey
}

// checkGoogleKey fails unless a document is the key of a service account.
func checkGoogleKey(document string) error {
	_, err := parseGoogleKey(document)
	return err
}

// parseGoogleKey parses a key. Its errors contain nothing of the document.
func parseGoogleKey(document string) (googleAccount, error) {
	var fields struct {
		Type         string `json:"type"`
		ClientEmail  string `json:"client_email"`
		PrivateKeyID string `json:"private_key_id"`
		PrivateKey   string `json:"private_key"`
		TokenURI     string `json:"token_uri"`
	}
	if err := json.Unmarshal([]byte(document), &fields); err != nil {
		return googleAccount{}, errors.New("is no JSON document: use the whole file that Google's console exports")
	}
	switch {
	case fields.Type != "service_account":
		return googleAccount{}, errors.New("is not of the type service_account, the only one that the operator supports")
	case fields.TokenURI != "" && fields.TokenURI != googleTokenURL:
		return googleAccount{}, errors.New("has another token_uri than " + googleTokenURL + ": the credential is not sent there")
	case fields.ClientEmail == "":
		return googleAccount{}, errors.New("has no client_email")
	}
	block, _ := pem.Decode([]byte(fields.PrivateKey))
	if block == nil {
		return googleAccount{}, errors.New("has no private_key in PEM form")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, isRSA := parsed.(*rsa.PrivateKey)
	if err != nil || !isRSA {
		return googleAccount{}, errors.New("has a private_key that is not an RSA key in PKCS #8 form")
	}
	return googleAccount{email: fields.ClientEmail, keyID: fields.PrivateKeyID, key: key}, nil
}

// assertion returns a signed JWT that requests an id token for the audience.
func (a googleAccount) assertion(audience string, now time.Time) (string, error) {
	header, err := jwtPart(map[string]any{"alg": "RS256", "typ": "JWT", "kid": a.keyID})
	if err != nil {
		return "", err
	}
	issued := now.Add(-googleSkew)
	claims, err := jwtPart(map[string]any{
		"iss": a.email, "sub": a.email, "aud": googleTokenURL, "target_audience": audience,
		"iat": issued.Unix(), "exp": issued.Add(googleAssertionLifetime).Unix(),
	})
	if err != nil {
		return "", err
	}
	digest := sha256.Sum256([]byte(header + "." + claims))
	signature, err := rsa.SignPKCS1v15(rand.Reader, a.key, crypto.SHA256, digest[:])
	if err != nil {
		return "", err
	}
	return header + "." + claims + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

func jwtPart(fields map[string]any) (string, error) {
	encoded, err := json.Marshal(fields)
	return base64.RawURLEncoding.EncodeToString(encoded), err
}

// parseIDToken decodes the response of Google's token endpoint.
func parseIDToken(body []byte) (token string, lifetime time.Duration, err error) {
	var fields struct {
		IDToken string `json:"id_token"`
	}
	if err := decode(body, &fields); err != nil {
		return "", 0, err
	}
	if fields.IDToken == "" || checkValue("id_token", fields.IDToken) != nil {
		return "", 0, errors.New("it has no usable id_token")
	}
	return fields.IDToken, googleTokenLifetime, nil
}
