// Package confrepo reads the tip of one branch of a git repository and adds
// one commit to it, without a clone, a work tree or any file on disk.
//
// [Publish] is the whole of it: it finds the tip, lets a pure function decide
// what the new commit holds, splices the changed entries into the tip's raw
// trees and sends the few new objects with the condition "only if the branch
// is still at that tip". When another writer was faster it reads the new tip
// and lets the function decide again. There is no merge, no rebase and no
// forced update, so nobody's commit is ever lost.
//
// Many writers at once would mostly lose to each other. With a [Queue] they leave
// their requests in the repository, and one of them carries out all.
//
// The package speaks git's wire protocol itself (gitprotocol-v2,
// gitprotocol-pack and gitprotocol-http of git's own documentation) and uses
// the lower packages of go-git for ids, packfiles, side bands and reference
// advertisements. It uses none of go-git's Clone, Push, Worktree or tree
// encoder: those lose races silently, rewrite the modes of entries they were
// not asked about, and take an empty answer for success.
//
// Nothing is needed of a server but that it speaks the protocol. What makes a push
// cheap is used where it is there: protocol version 2, shallow fetches, the filter
// "blob:none", and the filter "tree:N" together with trees by their ids, which keep
// the cost of a push nearly the same in a repository of very many folders. GitHub and
// Azure DevOps take no "tree:N": there all trees of the tip are read. Without filters
// the tip's files are read as well, without shallow fetches its history.
//
// What a commit means, which build is newer and who may overwrite whom is not
// known here; that belongs to the function that the caller passes in.
package confrepo
