package databricks

// PlainText makes text that came from a workspace fit to be shown: one line,
// printable, and bounded (1 KiB). Whoever shows such text passes it through
// here; errors of this package already were.
func PlainText(text string) string { return bound(plain(text), maxMessageBytes) }
