package api

type imagePool struct{}

type reuseCache struct{}
