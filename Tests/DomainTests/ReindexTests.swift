import Access
import BasicTypes
import CanonicalJSON
import Catalog
import DaybookTestKit
import Domain
import EventLog
import Records
import Testing
import Vault

/// The indexes that commands have kept are those that follow from the records.
@Suite struct ReindexTests {
  // Not `meta`, which says while the log is open where its journal is; its counters are verified.
  private static let indexes = ["states", "history", "unique", "links", "subjects", "tree"]

  private func fill(_ book: TestDomain) async throws -> [Identifier] {
    try await book.engine.recordCatalog()
    let acme = try await book.organization("acme")
    let ann = try await book.member("ann", of: acme, role: "owner")
    let bob = try await book.member("bob", of: acme)
    let cid = try await book.member("cid", of: acme)
    let origin = Origin(ip: "203.0.113.77", userAgent: "agent")
    let pipeline = try await book.make(
      "pipeline", ["name": "p", "reason": "bob asked", "about": [.string(bob.id)]], as: ann.principal)
    try await book.call(
      "pipeline.edit", ["id": .string(pipeline), "description": "d", "command_id": "once"], as: bob.principal,
      from: origin)
    try await book.call("user.edit", ["id": .string(bob.id), "full_name": "Bob B"])
    try await book.call("user.edit", ["id": .string(bob.id), "email": "bobby@example.org"])
    // A reason about an account says in which organizations it was given, sealed for the person.
    try await book.call(
      "user.edit", ["id": .string(bob.id), "display_name": "Bobby", "reason": "as he asked"], as: bob.principal)
    try await book.call("user.edit", ["id": .string(ann.id), "first_name": "Ann", "reason": "a typo"])
    // As older programs recorded fields that have become personal since: no key has to do with that.
    var login = EventDraft(
      event: "user.logged_in", type: "user", resource: try #require(Identifier(ann.id)), actor: "user:\(ann.id)")
    login.set = ["last_login_at": "2026-11-01T00:00:00.000000Z"]
    login.was = ["last_login_at": .null]
    var edit = EventDraft(event: "user.edited", type: "user", resource: login.resource, actor: login.actor)
    edit.set = ["preferences": ["theme": "dark"], "last_login_at": .null]
    edit.was = ["preferences": [:], "last_login_at": "2026-11-01T00:00:00.000000Z"]
    try await book.append([login, edit])
    // What is set anew is sealed, and so is what clears it about the person.
    try await book.call("user.edit", ["id": .string(ann.id), "preferences": ["theme": "light"]])
    try await book.call("user.edit", ["id": .string(ann.id), "preferences": .null])
    // Whoever is referred to can't be deleted, as cid is below.
    try await book.call("run.start", ["pipeline_id": .string(pipeline)], as: bob.principal)
    try await book.make("legal_hold", by: "legal_hold.place", held: pipeline, in: acme)
    let other = try await book.make("pipeline", ["name": "q"], as: ann.principal)
    try await book.call("pipeline.delete", ["id": .string(other), "reason": "not used"], as: ann.principal)
    try await book.call("user.delete", ["id": .string(cid.id), "reason": "asked for"])
    return try [ann.id, bob.id, cid.id].map { try #require(Identifier($0)) }
  }

  @Test func `made of the records alone, they are the same`() async throws {
    let book = try TestDomain()
    let people = try await fill(book)
    let size = book.log.head.position
    func facts(_ log: EventLog) throws -> (counts: [UInt64], about: [[UInt64]]) {
      try log.read { snapshot in
        var counts: [UInt64] = []
        for name in Self.indexes { counts.append(try snapshot.entryCount(name)) }
        var about: [[UInt64]] = []
        for person in people { about.append(try snapshot.positions(about: person, from: 1, limit: .max)) }
        return (counts, about)
      }
    }
    try book.checkIndexes()
    let before = try facts(book.log)
    #expect(before.about.allSatisfy { !$0.isEmpty })
    book.close()
    let vault = try Vault.openReadOnly(folder: book.files.dataFolder + "/vault")
    var configuration = EventLogConfiguration(folder: book.files.logFolder)
    configuration.lockFile = book.files.dataFolder + "/lock"
    // Nothing of this catalog could be indexed: the one in the log is taken.
    let none = Catalog(types: [], revision: "", source: [:])
    let outcome = try EventLogReindexer.reindex(configuration, extent: .recordsOnly) { snapshot in
      try IndexDerivation.recorded(in: snapshot, vault: vault, otherwise: none)
    }
    vault.close()
    #expect(outcome.events == size)
    #expect(outcome.lostAnswers == nil)
    #expect(try EventLogVerifier.verify(folder: book.files.logFolder).problems == [])
    let again = try TestDomain(data: book.files.dataFolder)
    try again.checkIndexes()
    let after = try facts(again.log)
    #expect(after.about == before.about)
    #expect(after.counts == before.counts)
    again.close()
  }

  @Test func `where the log's own catalog can't be read any more, that is said with the outcome`() async throws {
    let book = try TestDomain()
    _ = try await fill(book)
    func notes(_ log: EventLog) throws -> [String] {
      try log.read { try IndexDerivation.recorded(in: $0, vault: book.vault, otherwise: book.catalog).notes }
    }
    #expect(try notes(book.log) == [])
    // What a program of another time has recorded.
    let record = try #require(try book.log.read { try $0.records(from: 1, limit: 1, maximumBytes: 1 << 20) }.first)
    let header = try record.parsedHeader()
    #expect(header.event == "catalog.revised")
    var draft = EventDraft(
      event: "catalog.revised", type: "catalog", resource: header.resource, actor: "server", schema: "x", at: .now)
    draft.data = ["source": ["thing.yaml": ["resource": "thing", "no such member": 1]]]
    let position = try await book.append([draft])
    let note = try #require(try notes(book.log).first)
    #expect(
      note.contains("at position \(position) isn't read by this program any more (the log's catalog/thing.yaml:1"),
      "\(note)")
    #expect(note.contains("by the resource types of this program"))
    book.close()
    let vault = try Vault.openReadOnly(folder: book.files.dataFolder + "/vault")
    defer { vault.close() }
    var configuration = EventLogConfiguration(folder: book.files.logFolder)
    configuration.lockFile = book.files.dataFolder + "/lock"
    let outcome = try EventLogReindexer.reindex(configuration) { snapshot in
      try IndexDerivation.recorded(in: snapshot, vault: vault, otherwise: book.catalog)
    }
    #expect(outcome.notes == [note])
  }

  @Test func `a record needs the keys of all that is sealed in it, the innermost too`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let ann = try await book.member("ann", of: acme, role: "owner")
    let before = book.log.head.position
    func isFree(_ position: UInt64, _ vault: Vault) throws -> Bool {
      let record = try #require(try book.log.read { try $0.record(at: position) })
      return try record.needsNoKey(besidesThoseOf: vault)
    }
    for position in 1...before { #expect(try isFree(position, book.vault)) }
    // The keys as they were, beside the same root key.
    let older = try Vault.openReadOnly(folder: book.files.dataFolder + "/vault")
    let stranger = try TestDomain()
    let isForeign = try (1...before).contains { try !isFree($0, stranger.vault) }
    #expect(isForeign)
    let bob = try await book.member("bob", of: acme)
    try await book.make(
      "pipeline", ["name": "p", "reason": "bob asked", "about": [.string(bob.id)]], as: ann.principal)
    let last = book.log.head.position
    #expect(try isFree(last, book.vault))
    #expect(try isFree(last, older), "a reader follows the store of keys")
    older.close()
  }
}

extension TestDomain {
  /// Places a legal hold.
  fileprivate func make(_ type: String, by method: String, held: String, in organization: String) async throws {
    try await call(
      method, ["held_id": .string(held), "name": "matter", "organization_id": .string(organization), "reason": "court"])
  }
}
