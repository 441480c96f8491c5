package main

import (
	_ "time/tzdata" // for time zones of alertmanager.yml where the system has none

	_ "golang.org/x/crypto/x509roots/fallback" // trusted only where the system has no CA roots
)
