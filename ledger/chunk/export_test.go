package chunk

// SetMaxFile makes files full early, so that tests need not write 4 GiB.
func (w *Writer) SetMaxFile(n int64) { w.maxFile = n }
