package workflow

import "slices"

// synonyms are words that people use for an action, as FoldName folds them. In a command they never
// stand for it: they lead to it. Beside a file, where the card shows what they were taken for, clear
// ones do (ClearSynonyms).
var synonyms = map[ActionName][]string{
	Deactivate: {
		"disable", "lock", "lock_out", "lockout", "block", "ban", "freeze", "terminate", "deprovision",
		"switch_off", "turn_off",
		"disable_user", "disable_account", "deactivate_user", "deactivate_account", "lock_user",
		"lock_account", "inactivate",
	},
	Activate: {
		"enable", "unlock", "unblock", "unban", "unfreeze", "reactivate", "re_activate", "re_enable",
		"reenable", "switch_on", "turn_on",
		"enable_user", "enable_account", "activate_user", "activate_account", "reactivate_user",
		"unlock_user", "unlock_account",
	},
	Rename: {
		"change_email", "change_address", "change_mail", "set_email", "set_address", "set_mail",
		"update_email", "new_email", "new_address",
		"rename_user", "rename_account", "email", "mail", "update", "change", "move", "readdress",
	},
	SetName: {
		"change_name", "update_name", "set_display_name", "display_name", "name", "rename_display_name",
		"set_full_name",
	},
	Suspend: {"suspend_user", "suspend_account", "suspend_access", "unlicense", "remove_access", "revoke_access"},
	Restore: {"restore_user", "restore_account", "restore_access", "unsuspend", "un_suspend", "grant_access"},
	Remove:  {"remove_user", "remove_account", "kick", "expel", "drop"},
	Delete:  {"delete_user", "delete_account", "del", "erase", "purge", "destroy", "close", "close_account", "rm"},
	CancelDelete: {
		"undelete", "un_delete", "cancel_deletion", "stop_delete", "stop_deletion", "keep_account",
		"restore_deleted",
	},
	GroupAdd: {
		"add_group", "add_to_group", "group_join", "join_group", "group_member_add", "add_member",
		"grant_group", "group_add_user", "groupadd",
	},
	GroupRemove: {
		"remove_group", "remove_from_group", "group_leave", "leave_group", "group_delete",
		"remove_member", "revoke_group", "group_remove_user",
	},
	Invite: {
		"invite_user", "add_user", "create_user", "new_user", "add_account", "create_account", "create",
		"add", "user_add",
	},
	RevokeTokens: {
		"revoke_token", "delete_tokens", "delete_token", "remove_tokens", "remove_token", "revoke_keys",
		"revoke_api_tokens", "delete_api_tokens", "remove_api_tokens", "revoke_access_tokens",
		"delete_access_tokens", "remove_access_tokens", "revoke", "tokens",
	},
	Offboard: {"off_board", "offboarding", "leaver", "leave", "leavers", "fire", "exit"},
}

// Synonym returns the action that people mean by another word, "" when it is none that is known.
func Synonym(word string) ActionName {
	folded := FoldName(word)
	for _, action := range ActionNames() {
		if slices.Contains(synonyms[action], folded) {
			return action
		}
	}
	return ""
}

// unclear are synonyms that stand for nothing beside a file: a sentence may begin with them and mean
// something else ("change of plans"), or they may mean several actions.
var unclear = []string{
	"email", "mail", "update", "change", "move", "new_email", "new_address", "name", "display_name", "remove_access",
	"revoke_access", "grant_access", "keep_account", "group_delete",
}

// clearActions are those that another word may stand for beside a file: what can be taken back.
func clearActions() []ActionName {
	return []ActionName{Deactivate, Activate, Rename, SetName, Suspend, Restore, CancelDelete, GroupAdd, GroupRemove}
}

// ClearSynonyms calls yield with the words, as FoldName folds them, that stand for an action beside a
// file, and with that action.
func ClearSynonyms(yield func(word string, action ActionName) bool) {
	for _, action := range clearActions() {
		for _, word := range synonyms[action] {
			if !slices.Contains(unclear, word) && !yield(word, action) {
				return
			}
		}
	}
}

// Synonyms calls yield with all words that people use for an action, as FoldName folds them, and with
// that action.
func Synonyms(yield func(word string, action ActionName) bool) {
	for _, action := range ActionNames() {
		for _, word := range synonyms[action] {
			if !yield(word, action) {
				return
			}
		}
	}
}
