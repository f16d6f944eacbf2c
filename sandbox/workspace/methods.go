package workspace

// methods returns the methods of the Web API by name: docs.slack.dev/reference/methods gives each
// method's tier and scopes.
func methods() map[string]method {
	return map[string]method{
		"apps.connections.open": {tier: tier3, app: true, run: connectionsOpen},

		"auth.test": {tier: special, run: authTest},
		"bots.info": {tier: tier3, scopes: []string{"users:read"}, run: botsInfo},
		"team.info": {tier: tier3, scopes: []string{"team:read"}, run: teamInfo},

		"chat.delete":        {tier: tier3, scopes: []string{"chat:write"}, run: chatDelete},
		"chat.getPermalink":  {tier: special, run: chatGetPermalink},
		"chat.postEphemeral": {tier: tier4, scopes: []string{"chat:write"}, run: chatPostEphemeral},
		"chat.postMessage":   {tier: messages, scopes: []string{"chat:write"}, run: chatPostMessage},
		"chat.update":        {tier: tier3, scopes: []string{"chat:write"}, run: chatUpdate},
		"reactions.add":      {tier: tier3, scopes: []string{"reactions:write"}, run: reactionsAdd},
		"reactions.remove":   {tier: tier2, scopes: []string{"reactions:write"}, run: reactionsRemove},

		"conversations.history": {tier: tier3, run: conversationsHistory},
		"conversations.info":    {tier: tier3, run: conversationsInfo},
		"conversations.list":    {tier: tier2, run: conversationsList},
		"conversations.members": {tier: tier4, run: conversationsMembers},
		"conversations.open":    {tier: tier3, scopes: []string{"im:write"}, run: conversationsOpen},
		"conversations.replies": {tier: tier3, run: conversationsReplies},
		"users.conversations":   {tier: tier3, run: usersConversations},

		"files.completeUploadExternal": {tier: tier4, scopes: []string{"files:write"}, run: filesCompleteUpload},
		"files.delete":                 {tier: tier3, scopes: []string{"files:write"}, run: filesDelete},
		"files.getUploadURLExternal":   {tier: tier4, scopes: []string{"files:write"}, run: filesGetUploadURL},
		"files.info":                   {tier: tier4, scopes: []string{"files:read"}, run: filesInfo},

		"usergroups.list":       {tier: tier2, scopes: []string{"usergroups:read"}, run: usergroupsList},
		"usergroups.users.list": {tier: tier2, scopes: []string{"usergroups:read"}, run: usergroupsUsersList},
		"users.info":            {tier: tier4, scopes: []string{"users:read"}, run: usersInfo},
		"users.list":            {tier: tier2, scopes: []string{"users:read"}, run: usersList},
		"users.lookupByEmail":   {tier: tier3, scopes: []string{"users:read", "users:read.email"}, run: usersLookupByEmail},

		"views.open":    {tier: tier4, run: viewsOpen},
		"views.publish": {tier: tier4, run: viewsPublish},
		"views.push":    {tier: tier4, run: viewsPush},
		"views.update":  {tier: tier4, run: viewsUpdate},
	}
}
