package relay

import (
	_ "embed"
	"fmt"
	"regexp"
	"strings"
)

var (
	//go:embed schema_postgres.sql
	schemaPostgres string
	//go:embed schema_mysql.sql
	schemaMySQL string
)

// SchemaOptions are for [Schema].
type SchemaOptions struct {
	// Producer and Relay are the users that are granted what they need, empty for none: the
	// grants are comments then.
	Producer, Relay string
	// Notify adds a trigger by which a commit wakes the relay. PostgreSQL only.
	Notify bool
}

const notifyPostgres = `CREATE OR REPLACE FUNCTION ecpayq_outbox_notify() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_notify('ecpayq_outbox', ''); RETURN NULL; END $$;
DROP TRIGGER IF EXISTS ecpayq_outbox_notify ON ecpayq_outbox;
CREATE TRIGGER ecpayq_outbox_notify AFTER INSERT ON ecpayq_outbox FOR EACH STATEMENT EXECUTE FUNCTION ecpayq_outbox_notify();
`

// userForm is what a name in a grant may have: it is not quoted.
var userForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,62}$`)

// accountForm is that of MySQL, with its host.
var accountForm = regexp.MustCompile(`^'[A-Za-z0-9_.-]{1,32}'@'[A-Za-z0-9_.:%/-]{1,255}'$`)

// Schema is the SQL that makes the table in a database, postgres or mysql.
func Schema(database string, o SchemaOptions) (string, error) {
	mysql := database == "mysql" || database == "mariadb"
	if !mysql && database != "postgres" && database != "postgresql" {
		return "", fmt.Errorf("database is %q; it must be postgres or mysql, which is for MariaDB too", database)
	}
	if mysql && o.Notify {
		return "", fmt.Errorf("%s has no NOTIFY: the relay looks at the table every so often", database)
	}
	producer, relay := o.Producer, o.Relay
	for _, user := range []*string{&producer, &relay} {
		switch {
		case *user == "":
		case mysql && userForm.MatchString(*user):
			*user = "'" + *user + "'@'%'"
		case mysql && !accountForm.MatchString(*user):
			return "", fmt.Errorf("user %q: give it as shop or as 'shop'@'10.0.0.%%'", *user)
		case !mysql && !userForm.MatchString(*user):
			return "", fmt.Errorf("user %q: it must be a name of letters, digits and underscores", *user)
		}
	}
	var b strings.Builder
	if mysql {
		b.WriteString(schemaMySQL)
	} else {
		b.WriteString(schemaPostgres)
		part(&b, "A commit wakes the relay, which polls all the same. It costs producers: commits that notify go one after the other.",
			o.Notify, notifyPostgres)
	}
	part(&b, "The shop may insert, and nothing else.", producer != "",
		fmt.Sprintf("GRANT INSERT (intent, process_at) ON ecpayq_outbox TO %s;\n", orSample(producer, "shop", mysql)))
	part(&b, "The relay may claim.", relay != "",
		fmt.Sprintf("GRANT SELECT, UPDATE, DELETE ON ecpayq_outbox TO %s;\n", orSample(relay, "ecpayq", mysql)))
	return b.String(), nil
}

func orSample(user, sample string, mysql bool) string {
	switch {
	case user != "":
		return user
	case mysql:
		return "'" + sample + "'@'%'"
	}
	return sample
}

// part writes statements, as comments where they are not wanted.
func part(b *strings.Builder, why string, wanted bool, text string) {
	fmt.Fprintf(b, "\n-- %s\n", why)
	for line := range strings.Lines(text) {
		if !wanted {
			b.WriteString("-- ")
		}
		b.WriteString(line)
	}
}
