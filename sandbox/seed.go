package sandbox

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/sandbox/organisation"
)

// The company. Two of its domains are verified; the third came with an acquisition, and nobody
// proved it yet.
const (
	companyName   = "Northwind"
	oldDomain     = "northwind.example"
	newDomain     = "northwind-group.example"
	foreignDomain = "contoso-labs.example"
)

// How many accounts an organisation of the sandbox has at least, and at most.
const (
	FewestAccounts = 250
	MostAccounts   = 50_000
)

// How many accounts there are of each sort; with the seven of the cast and the two holders of other
// people's names, FewestAccounts. What is more is ordinary.
const (
	onNewDomain     = 43
	onForeignDomain = 12
	ownedByProvider = 14 // SCIM
	ownedByGoogle   = 4
	deactivated     = 13
	ordinary        = 155
)

// callsPerMinute is the pace that the organisation allows at each endpoint; Atlassian publishes
// none for these calls.
const callsPerMinute = 600

// The reason keys that GET /users/{id}/manage gives for what an identity provider owns
// (admin-user-management).
const (
	scimReason   = "externalDirectory.scim"
	googleReason = "externalDirectory.google"
)

// company is the accounts by what there is to say about them. Each account is in one list only.
type company struct {
	random *rand.Rand
	now    time.Time // midnight in UTC: the company of one day is the same all day
	taken  map[string]bool

	cast     []organisation.Account // with a part to play in person
	free     []organisation.Account // active, managed, on the old domain, nothing in the way
	more     []organisation.Account // the same, over FewestAccounts
	scim     []organisation.Account
	google   []organisation.Account
	inactive []organisation.Account
	moved    []organisation.Account // on the new domain already
	foreign  []organisation.Account // on the unverified domain, and so not managed
	namesake organisation.Account   // holds on the new domain, for all to see, the name of the last of free
	hidden   organisation.Account   // holds the name of the last but one of free, and no search shows it
}

// newCompany hires that many people, of whom the first FewestAccounts are the same for every number.
func newCompany(seed uint64, accounts int, now time.Time) (*company, error) {
	if accounts < FewestAccounts || accounts > MostAccounts {
		return nil, fmt.Errorf("make a company of %d accounts: it has %d to %d", accounts, FewestAccounts, MostAccounts)
	}
	c := &company{
		random: rand.New(rand.NewPCG(seed, 3)), // a repeatable company, nothing secret
		now:    now.UTC().Truncate(24 * time.Hour),
		taken:  make(map[string]bool),
	}
	c.assignParts()
	for range ordinary {
		c.free = append(c.free, c.hire(oldDomain))
	}
	for range ownedByProvider {
		account := c.hire(oldDomain)
		account.Locks = map[string]string{
			"email.set": scimReason, "profile.write/name": scimReason, "lifecycle.enablement": scimReason,
		}
		c.scim = append(c.scim, account)
	}
	for range ownedByGoogle {
		account := c.hire(oldDomain)
		account.Locks = map[string]string{"email.set": googleReason, "profile.write/name": googleReason}
		c.google = append(c.google, account)
	}
	for range deactivated {
		account := c.hire(oldDomain)
		account.Status, account.Billable = "inactive", false
		c.inactive = append(c.inactive, account)
	}
	for range onNewDomain {
		c.moved = append(c.moved, c.hire(newDomain))
	}
	for range onForeignDomain {
		account := c.hire(foreignDomain)
		account.Managed = false
		c.foreign = append(c.foreign, account)
	}
	c.namesake = c.hire(newDomain)
	c.namesake.Name = c.free[len(c.free)-1].Name
	c.namesake.Email = onDomain(c.free[len(c.free)-1].Email, newDomain)
	c.hidden = c.hire(newDomain)
	c.hidden.Name = c.free[len(c.free)-2].Name
	c.hidden.Email = onDomain(c.free[len(c.free)-2].Email, newDomain)
	c.hidden.Hidden, c.hidden.Managed, c.hidden.Products, c.hidden.Billable = true, false, nil, false
	for range accounts - FewestAccounts {
		c.more = append(c.more, c.hire(oldDomain))
	}
	return c, nil
}

// assignParts makes the accounts that are somebody in particular: those of the people in Slack, and
// the odd ones.
func (c *company) assignParts() {
	for _, name := range []string{"Alice Ahlgren", "Bob Brennan", "Hana Kovar"} {
		c.cast = append(c.cast, c.employ(name, oldDomain))
	}
	dora := c.employ("Dora Dimitrov", oldDomain)
	dora.Status, dora.Billable = "inactive", false

	ingrid := c.employ("Ingrid Solberg", oldDomain)
	ingrid.OrgAdmin = true
	ingrid.LifecycleErrors = []organisation.LifecycleError{{
		Code: "billingAdmin", Message: "The account is the last billing contact of an active subscription.",
	}}
	automation := c.employ("Deploy Automation", oldDomain)
	automation.Type, automation.Billable = "app", false

	partner := c.employ("Mira Lindholm", oldDomain)
	partner.Email, partner.Managed = "mira@harbour-design.example", false
	c.cast = append(c.cast, dora, ingrid, automation, partner)
}

// accounts returns all of them, in an order that mixes the sorts as a real directory does.
func (c *company) accounts() []organisation.Account {
	all := append([]organisation.Account{c.namesake, c.hidden}, c.cast...)
	for _, sort := range [][]organisation.Account{c.free, c.more, c.scim, c.google, c.inactive, c.moved, c.foreign} {
		all = append(all, sort...)
	}
	// A source of its own: asking twice gives the same order.
	order := rand.New(rand.NewPCG(uint64(len(all)), 4))
	order.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// move puts the company into an organisation.
func (c *company) move(into *organisation.Organisation) error {
	for _, domain := range []organisation.Domain{
		{Name: oldDomain, Verified: true}, {Name: newDomain, Verified: true}, {Name: foreignDomain},
	} {
		into.AddDomain(domain)
	}
	first := into.Directories()[0].ID
	into.AddDirectory(organisation.Directory{ID: partnersID, Name: companyName + " partners"})
	inBitbucket := 0
	for _, account := range c.accounts() {
		if slices.Contains(c.groupsOf(account), bitbucketUsers) {
			inBitbucket++
		}
	}
	for _, each := range workspaces(inBitbucket) {
		if err := into.AddWorkspace(each); err != nil {
			return fmt.Errorf("seed the organisation: %w", err)
		}
	}
	ids := make(map[string]string)
	for _, group := range allGroups() {
		added, err := into.AddGroup(group)
		if err != nil {
			return fmt.Errorf("seed the organisation: %w", err)
		}
		if added.DirectoryID == first {
			ids[group.Name] = added.ID
		}
	}
	random := rand.New(rand.NewPCG(uint64(len(ids)), 5)) // of its own, so that the accounts stay as they were
	for _, account := range c.accounts() {
		for _, name := range c.groupsOf(account) {
			account.Groups = append(account.Groups, ids[name])
		}
		account.Memberships = c.directoriesOf(account, first)
		account.Tokens = c.tokensOf(account, random)
		if err := into.Put(account); err != nil {
			return fmt.Errorf("seed the organisation: %w", err)
		}
	}
	return nil
}

// The groups of the organisation.
const (
	breakGlass = "break-glass"
	jiraUsers  = "jira-users"
	finance    = "finance"
)

// groupsOf returns the names of the groups that an account is in.
func (c *company) groupsOf(account organisation.Account) []string {
	var in []string
	if account.ID == c.moved[1].ID || account.ID == c.moved[2].ID {
		in = append(in, breakGlass)
	}
	if len(account.Products) > 0 { // whoever has any has Jira
		in = append(in, jiraUsers)
	}
	if account.Profile.Department == "Finance" && account.Managed && !account.Hidden {
		in = append(in, finance)
	}
	if len(account.Products) > 1 {
		in = append(in, confluenceUsers)
	}
	if account.Profile.Department == "Engineering" && account.Status == "" && account.Managed && !account.Hidden {
		in = append(in, bitbucketUsers)
	}
	if account.Profile.Department == "Design" && account.Managed && !account.Hidden {
		in = append(in, contractors)
	}
	if account.Status == "" && account.Managed && !account.Hidden {
		in = append(in, allStaff)
	}
	if account.OrgAdmin {
		in = append(in, orgAdmins)
	}
	return in
}

// hire makes an ordinary, managed account for somebody whose name nobody has yet. Where most names
// are taken people have two family names.
func (c *company) hire(domain string) organisation.Account {
	for try := 0; ; try++ {
		name := pick(c.random, firstNames) + " " + pick(c.random, lastNames)
		if try >= 10 {
			name += "-" + pick(c.random, lastNames)
		}
		if !c.taken[name] {
			return c.employ(name, domain)
		}
	}
}

func (c *company) employ(name, domain string) organisation.Account {
	c.taken[name] = true
	added := c.now.AddDate(0, 0, -c.random.IntN(1500)-30)
	account := organisation.Account{
		ID: c.accountID(), Name: name, Email: localPart(name) + "@" + domain, Managed: true, Billable: c.random.IntN(10) > 0,
		AddedToOrg: added.Format(time.RFC3339), TimeZone: pick(c.random, timeZones), Locale: "en-GB",
		Profile: organisation.ExtendedProfile{
			Department: pick(c.random, departments), Organization: companyName, Location: pick(c.random, places),
		},
	}
	if !account.Billable {
		return account
	}
	// Most were here this month, some have not been seen for long: the report on inactive accounts
	// has something to say.
	away := c.random.IntN(25)
	if c.random.IntN(8) == 0 {
		away = 60 + c.random.IntN(240)
	}
	seen := c.now.AddDate(0, 0, -away).Add(-time.Duration(c.random.IntN(14*60)) * time.Minute)
	if seen.Before(added) {
		seen = added
	}
	account.LastActive = seen.Format(time.RFC3339)
	account.Products = []organisation.Product{
		{Key: "jira-software", Name: "Jira", URL: "https://northwind.atlassian.example", LastActive: account.LastActive},
	}
	if c.random.IntN(3) > 0 {
		account.Products = append(account.Products, organisation.Product{
			Key: "confluence", Name: "Confluence", URL: "https://northwind.atlassian.example/wiki", LastActive: account.LastActive,
		})
	}
	return account
}

// accountID draws an id in one of the forms that Atlassian has given out over the years.
func (c *company) accountID() string {
	a, b := c.random.Uint64(), c.random.Uint64()
	uuid := fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>52, b&0xffffffffffff)
	switch c.random.IntN(10) {
	case 0:
		return "557058:" + uuid
	case 1:
		return fmt.Sprintf("5b%016x%06x", a, b&0xffffff)
	}
	return "712020:" + uuid
}

func pick(random *rand.Rand, from []string) string { return from[random.IntN(len(from))] }

// plainLetters spells names as mail systems do.
var plainLetters = strings.NewReplacer(
	" ", ".", "'", "", "ä", "ae", "ö", "oe", "ü", "ue", "ß", "ss", "å", "a", "ø", "o", "é", "e", "è", "e", "ë", "e", "á", "a",
	"í", "i",
	"ó", "o", "ñ", "n", "ç", "c", "ł", "l", "ń", "n", "ś", "s", "č", "c", "š", "s", "ž", "z", "ı", "i", "ş", "s", "ğ", "g",
)

func localPart(name string) string { return plainLetters.Replace(strings.ToLower(name)) }

// onDomain returns the same local part at another domain.
func onDomain(address, domain string) string {
	local, _, _ := strings.Cut(address, "@")
	return local + "@" + domain
}

var firstNames = []string{
	"Ada", "Amara", "Anders", "Anna", "Arjun", "Astrid", "Aylin", "Ben", "Camille", "Carlos", "Chiara", "Clara",
	"Daniel", "Dilan", "Elena", "Emil", "Emma", "Erik", "Fatima", "Felix", "Fiona", "Freya", "Gabriel", "Greta",
	"Hugo", "Ines", "Ivan", "Jakub", "Jana", "Jonas", "Julia", "Kaja", "Karim", "Katja", "Lars", "Laura", "Lea",
	"Leo", "Lina", "Lucas", "Magnus", "Maria", "Marta", "Mateo", "Mei", "Milan", "Nadia", "Nils", "Noor", "Olivia",
	"Omar", "Paula", "Pavel", "Petra", "Priya", "Rafael", "Rosa", "Sami", "Sara", "Sofia", "Stefan", "Tariq",
	"Theo", "Tomás", "Vera", "Viktor", "Yara", "Yusuf", "Zoë", "Zuzana",
}

var lastNames = []string{
	"Abadi", "Andersson", "Bakker", "Bauer", "Becker", "Bergström", "Bianchi", "Brandt", "Castillo", "Cohen",
	"Costa", "Dahl", "Dubois", "Duran", "Eriksen", "Farkas", "Fischer", "Fontaine", "Garcia", "Grabowski",
	"Haddad", "Hansen", "Hoffmann", "Horvat", "Ibrahim", "Ivanova", "Jansen", "Jensen", "Johansson", "Kaya",
	"Keller", "Kowalski", "Krüger", "Kumar", "Larsen", "Laurent", "Lindqvist", "Lopez", "Marino", "Martens",
	"Mehta", "Meyer", "Moreau", "Nagy", "Nielsen", "Novak", "Nyström", "Okafor", "Olsen", "Øvergård", "Petrov",
	"Peters", "Quinn", "Rahman", "Richter", "Romano", "Rossi", "Sato", "Schneider", "Schröder", "Silva", "Singh",
	"Sørensen", "Svensson", "Tanaka", "Taylor", "Ullman", "van Dijk", "Varga", "Vogel", "Wagner", "Weber",
	"Wójcik", "Yıldız", "Zhang", "Zimmermann",
}

var departments = []string{
	"Engineering", "Research", "Sales", "Finance", "Operations", "Support", "Design", "People", "Legal",
	"Marketing",
}

var places = []string{
	"Berlin", "Oslo", "Amsterdam", "Lisbon", "Kraków", "Toronto", "Singapore",
}

var timeZones = []string{
	"Europe/Berlin", "Europe/Oslo", "Europe/Amsterdam", "Europe/Lisbon", "Europe/Warsaw", "America/Toronto",
	"Asia/Singapore",
}
