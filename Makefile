VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT      ?= $(shell git rev-parse HEAD 2>/dev/null)
LDFLAGS     := -X main.version=$(VERSION) -X main.commit=$(COMMIT)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME    ?= 30s
SCHEDULES   ?= 100000
BENCH       ?=

# Nothing here is in C but the race detector: one setting for all else spares a second build of every package.
export CGO_ENABLED = 0

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: test
test: ## run every test with the race detector; gets redis-server, PostgreSQL, PgBouncer, MariaDB and gcc if they are missing
	@.ci/need redis-server redis-server "run the tests against a real Redis"
	@.ci/need initdb postgresql "run the tests against a real PostgreSQL"
	@.ci/need pgbouncer pgbouncer "run the tests through a real PgBouncer"
	@.ci/need mariadb-install-db "mariadb-server-core mariadb-client-core" "run the tests against a real MariaDB"
	@.ci/need "$$(go env CC | cut -d ' ' -f 1)" "gcc libc6-dev" "build the tests with the race detector (the binaries need no C compiler)"
	@# Tests build these programs: here, so that no test's time limit covers the compiling.
	go build ./cmd/... && CGO_ENABLED=1 go build -race ./cmd/...
	CGO_ENABLED=1 go test -race -timeout 15m ./...

.PHONY: slow
slow: ## run the tests of minutes: workers killed and frozen, poisonous tasks, Redis or a database lost, a browser
	@.ci/need redis-server redis-server "run the tests against a real Redis"
	@.ci/need chromium chromium "press the buttons of the dashboard in a real browser"
	@.ci/need initdb postgresql "run the tests of the outbox with a real PostgreSQL"
	@.ci/need mariadb-install-db "mariadb-server-core mariadb-client-core" "run the tests of the outbox with a real MariaDB"
	go test -tags slow -timeout 20m -v -run '^TestSlow' ./cmd/ecpayq

.PHONY: examples
examples: ## run the programs of examples/ in PHP, Node, Python and shell against real servers; gets what is missing
	@.ci/need redis-server redis-server "run the tests against a real Redis"
	@.ci/need php "php-cli php-curl" "run the examples in PHP"
	@.ci/need node nodejs "run the examples in Node"
	@.ci/need python3 python3 "run the examples in Python"
	@.ci/need curl curl "run the examples in shell"
	@.ci/need jq jq "run the examples in shell"
	@.ci/need openssl openssl "run the examples in shell"
	@.ci/need initdb postgresql "run the examples of the outbox with a real PostgreSQL"
	@.ci/need pgbouncer pgbouncer "run them through a real PgBouncer"
	@.ci/need mariadb-install-db "mariadb-server-core mariadb-client-core" "run them with a real MariaDB"
	@.ci/need "php --ri pdo_pgsql && php --ri pdo_mysql" "php-pgsql php-mysql" "run them in PHP"
	@# The packages are for the distribution's own Python, and another may be first on PATH.
	@.ci/need "python3 -c 'import psycopg2, pymysql' || /usr/bin/python3 -c 'import psycopg2, pymysql'" \
		"python3-psycopg2 python3-pymysql" "run them in Python"
	go test -tags examples -timeout 10m ./examples

.PHONY: sim
sim: ## simulate SCHEDULES schedules of crashes, losses and bad answers, the same ones each time
	go test ./worker -timeout 24h -v -run '^TestSimulation$$' -sim.schedules '$(SCHEDULES)'

.PHONY: mutations
mutations: ## break each rule once, and demand that the simulation finds it
	go test -tags slow -timeout 20m -v -run '^TestSlow' ./worker

.PHONY: night
night: ## simulate 5,000,000 schedules that nobody has seen before, for a night
	go test ./worker -timeout 24h -v -run '^TestSimulation$$' -sim.seed 0 -sim.schedules 5000000

.PHONY: check
check: ## run gofmt, vet, staticcheck, the go.mod check and a build
	@files=$$(gofmt -l .) && if [ -n "$$files" ]; then printf 'not formatted with gofmt:\n%s\n' "$$files" >&2; exit 1; fi
	go vet ./...
	go vet -tags slow,examples ./...
	go run $(STATICCHECK) -tags slow,examples ./...
	go mod tidy -diff
	go build ./...

.PHONY: alerts
alerts: ## test the alert rules and the queries of the Grafana dashboard; gets promtool if it is missing
	@.ci/alerts

.PHONY: build
build: ## build bin/ecpayq and bin/ecpayq-dev
	CGO_ENABLED=0 go build -trimpath -ldflags "$(LDFLAGS)" -o bin/ecpayq ./cmd/ecpayq
	CGO_ENABLED=0 go build -trimpath -ldflags "$(LDFLAGS)" -o bin/ecpayq-dev ./cmd/ecpayq-dev

.PHONY: fuzz
fuzz: ## run every fuzz target in turn, each for FUZZTIME (make fuzz FUZZTIME=2m)
	@list=$$(go test -list '^Fuzz' ./...) || { printf '%s\n' "$$list" >&2; exit 1; }; \
	targets=$$(printf '%s\n' "$$list" | awk '/^Fuzz/ {names[++n] = $$1} $$1 == "ok" {for (i = 1; i <= n; i++) print names[i], $$2; n = 0}'); \
	if [ -z "$$targets" ]; then echo 'no fuzz targets'; exit 0; fi; \
	printf '%s\n' "$$targets" | while read -r name package; do \
		echo "== $$name in $$package, $(FUZZTIME)"; \
		go test -run '^$$' -fuzz "^$$name\$$" -fuzztime '$(FUZZTIME)' "$$package" </dev/null || exit 1; \
	done

.PHONY: demo
demo: ## try every workflow against a fake ECPay; needs nothing installed but Go
	go run ./cmd/ecpayq-dev up --once

.PHONY: bench
bench: ## measure every figure side by side with plain asynq (make bench BENCH=--quick for a minute)
	@.ci/need redis-server redis-server "measure on a real Redis"
	@.ci/need initdb postgresql "measure the outbox with a real PostgreSQL"
	@.ci/need mariadb-install-db "mariadb-server-core mariadb-client-core" "measure the outbox with a real MariaDB"
	go run ./cmd/ecpayq-dev bench $(BENCH)
