import Access
import BasicTypes
import CanonicalJSON
import Catalog
import DaybookTestKit
import Domain
import EventLog
import Records
import Refusals
import TestBasics
import Testing
import Vault

/// E-mail addresses, user names and passwords that are the same to people, whatever their bytes.
@Suite struct UnicodeTwinTests {
  private static let composed = "jos\u{E9}@example.com"
  private static let decomposed = "jose\u{301}@example.com"

  private func user(_ book: TestDomain, _ params: JSONObject) async throws -> String {
    try await book.make("user", params)
  }

  @Test(arguments: [
    (composed, decomposed), (decomposed, composed), (decomposed, "JOS\u{C9}@EXAMPLE.com"),
    ("stra\u{DF}e@x.org", "STRASSE@x.org"),
    ("\u{3C3}\u{3AF}\u{3C3}@x.org", "\u{3A3}\u{38A}\u{3A3}@x.org"), ("\u{3C3}\u{3C2}@x.org", "\u{3C3}\u{3C3}@x.org"),
    ("\u{212A}@x.org", "k@x.org"), ("\u{130}@x.org", "i\u{307}@x.org"), ("\u{1E9E}@x.org", "ss@x.org"),
    ("Ann@Example.org", "ann@example.ORG"),
  ])
  func `an e-mail address is taken in every form and case, and the refusal says so`(
    _ first: String, _ second: String
  ) async throws {
    let book = try TestDomain()
    let ann = try await user(book, ["email": .string(first)])
    let refused = try await book.refusal("user.create", ["email": .string(second)])
    #expect(refused.code == .conflict && refused.reason == "unique")
    #expect(
      refused.message
        == "There is a user with this email already, written in another way: only case or the form of characters differs."
    )
    #expect(
      try await book.refusal("user.create", ["email": .string(first)]).message
        == "There is a user with this email already.")
    // It is one's own to write otherwise, and then too found and taken in every form.
    try await book.call("user.edit", ["id": .string(ann), "email": .string(second)])
    try book.checkIndexes()
    #expect(try await book.refusal("user.create", ["email": .string(first)]).reason == "unique")
    try await book.call("user.edit", ["id": .string(ann), "email": "other@example.org"])
    try book.checkIndexes()
    let bob = try await user(book, ["email": .string(first)])
    try await book.call("user.delete", ["id": .string(bob)])
    try book.checkIndexes()
    _ = try await user(book, ["email": .string(second)])
  }

  @Test func `user names are one in every form, and differ by case`() async throws {
    let book = try TestDomain()
    _ = try await user(book, ["email": "a@x.org", "username": "ren\u{E9}"])
    let refused = try await book.refusal("user.create", ["email": "b@x.org", "username": "rene\u{301}"])
    #expect(refused.reason == "unique" && refused.message.contains("written in another way"))
    _ = try await user(book, ["email": "b@x.org", "username": "REN\u{C9}"])
    try book.checkIndexes()
  }

  @Test func `several commands of one batch see each other's forms`() async throws {
    let book = try TestDomain()
    async let first = try? book.make("user", ["email": .string(Self.composed)])
    async let second = try? book.make("user", ["email": .string(Self.decomposed)])
    async let third = try? book.make("user", ["email": "JOSE\u{301}@example.com"])
    #expect(await [first, second, third].compactMap { $0 }.count == 1)
    try book.checkIndexes()
  }

  @Test(arguments: [
    ("email", "rob\u{202E}@example.com", "U+202E RIGHT-TO-LEFT OVERRIDE"),
    ("email", "rob@exam\u{AD}ple.com", "U+00AD SOFT HYPHEN"),
    ("email", "r\u{FE0F}@x.org", "U+FE0F VARIATION SELECTOR-16"),
    ("username", "\u{200B}", "U+200B ZERO WIDTH SPACE"), ("username", "a\u{2060}b", "U+2060 WORD JOINER"),
    ("username", "a\u{A0}b", "U+00A0 NO-BREAK SPACE"),
  ])
  func `hidden characters in e-mail addresses and user names are refused by their names`(
    _ field: String, _ text: String, _ name: String
  ) async throws {
    let book = try TestDomain()
    var params: JSONObject = ["email": "rob@example.com"]
    params[field] = .string(text)
    let refused = try await book.refusal("user.create", params)
    #expect(refused.code == .invalidParams)
    #expect(
      refused.data["problems"] == [
        ["path": .string("/\(field)"), "problem": .string("must not contain \(name), which nobody sees")]
      ])
  }

  @Test func `a sign-in finds the account in every form, and counts its tries as one account's`() async throws {
    let book = try TestDomain()
    let ann = try await user(book, ["email": .string(Self.decomposed), "password": "correct horse"])
    for spelling in [Self.decomposed, Self.composed, "JOS\u{C9}@EXAMPLE.COM"] {
      let principal = try #require(try await book.engine.principal(email: spelling, password: "correct horse"))
      #expect(principal.subject?.text == ann)
      #expect(book.engine.signInAccount(email: spelling) == book.engine.signInAccount(email: Self.composed))
    }
    #expect(try await book.engine.principal(email: "jose@example.com", password: "correct horse") == nil)
  }

  // MARK: - Passwords

  @Test func `a password is the same in every form, and unprepared ones of old go on`() async throws {
    let book = try TestDomain()
    let ann = try await user(book, ["email": "ann@x.org", "password": "caf\u{E9} au\u{A0}lait"])
    func signsIn(_ password: String) async throws -> Bool {
      try await book.engine.principal(email: "ann@x.org", password: password) != nil
    }
    #expect(try await signsIn("caf\u{E9} au lait"))
    #expect(try await signsIn("cafe\u{301} au lait"))
    #expect(try await !signsIn("cafe au lait"))
    // As it was hashed before passwords were prepared: as it came.
    for old in ["cafe\u{301} au lait", "with\u{200B}hidden"] {
      let hash = try Password.hash(old, cost: 4)
      try await record(book, ann, ["password_hash": .string(hash)])
      #expect(try await signsIn(old))
      #expect(try await !signsIn("another word"))
    }
    let refused = try await book.refusal("user.set_password", ["id": .string(ann), "password": "with\u{200B}hidden"])
    #expect(refused.code == .invalidParams && refused.paths == ["/password"])
    #expect("\(refused.data)".contains("RFC 8265") && !"\(refused.data)".contains("200B"))
  }

  // MARK: - Logs that hold twins

  /// Records fields as an earlier version did: without looking at forms, and with only the keys that it knew.
  private func record(_ book: TestDomain, _ user: String, _ set: JSONObject, email: String? = nil) async throws {
    let id = try #require(Identifier(user))
    let (vault, rules, schema) = (book.vault, book.engine.rules, book.catalog.revision)
    let type = try #require(CatalogModel(catalog: book.catalog).types["user"])
    _ = try await book.log.commit { transaction in
      let state = try #require(try transaction.state(id))
      var draft = EventDraft(event: "user.edited", type: "user", resource: id, actor: "local:0", schema: schema)
      draft.set = set
      if let email {
        let field = try #require(type.field("email"))
        let place = Sealer.Place(event: draft.id, resource: id, organization: nil)
        let sealer = Sealer(vault: vault)
        draft.set["email"] = try sealer.stored(
          .string(email), of: field, before: state.fields["email"], place: place, subject: id)
        let constraint = try #require(type.unique.first { $0.name == "user_email" })
        for key in try #require(try rules.keys(constraint, of: state, type)).all(for: id) {
          try transaction.release(constraint: constraint.name, key: key)
        }
        let key = rules.key(constraint.name, [.string(email)], ignoringCase: true)
        try transaction.claim(constraint: constraint.name, key: key, for: id)
      }
      for name in draft.set.keys { draft.was[name] = state.fields[name] ?? .null }
      draft.subjects = [id]
      try transaction.append(draft)
    }
  }

  @Test func `a log that holds twins opens, verifies and finds each by its own form`() async throws {
    let book = try TestDomain()
    let first = try await user(book, ["email": "first@x.org", "password": "first password"])
    let second = try await user(book, ["email": "second@x.org", "password": "second password"])
    let lone = try await user(book, ["email": "third@x.org", "password": "third password"])
    try await record(book, first, [:], email: Self.composed)
    try await record(book, second, [:], email: Self.decomposed)
    try await record(book, lone, [:], email: "zoe\u{308}@x.org")
    func found(_ email: String, _ password: String) async throws -> String? {
      try await book.engine.principal(email: email, password: password)?.subject?.text
    }
    // Before the first start with the new rules, and after it.
    for isRevised in [false, true] {
      if isRevised {
        try await book.engine.recordCatalog()
        let head = book.log.head.position
        try await book.engine.recordCatalog()
        #expect(book.log.head.position == head, "what is indexed stays indexed")
        try book.checkIndexes()
      }
      #expect(try await found(Self.composed, "first password") == first)
      #expect(try await found(Self.decomposed, "second password") == second)
      #expect(try await found("zoe\u{308}@x.org", "third password") == lone)
      let backup = book.folder.path + "/backup-\(isRevised)"
      _ = try EventLogBackup.make(of: book.log, into: backup)
      let report = try EventLogVerifier.verify(folder: backup + "/log")
      #expect(report.isHealthy, "\(report.problems)")
    }
    #expect(try await found("ZO\u{CB}@x.org", "third password") == lone)
    #expect(try await book.refusal("user.create", ["email": "zo\u{EB}@x.org"]).reason == "unique")
    #expect(try await book.refusal("user.create", ["email": .string(Self.decomposed)]).reason == "unique")
    // The twins live on: what isn't their address can be changed, and one of them can take another.
    try await book.call("user.edit", ["id": .string(second), "full_name": "José the Second"])
    try await book.call("user.edit", ["id": .string(second), "email": "second@x.org"])
    try book.checkIndexes()
    #expect(try await found(Self.decomposed, "first password") == first)
    #expect(
      try await book.refusal("user.edit", ["id": .string(second), "email": .string(Self.decomposed)]).reason == "unique"
    )
  }

  @Test func `an index of another Unicode version's forms is made anew at the next start`() async throws {
    let book = try TestDomain()
    try await book.engine.recordCatalog()
    let ann = try await user(book, ["email": "ann@x.org"])
    try await record(book, ann, [:], email: Self.decomposed)
    let schema = book.catalog.revision
    _ = try await book.log.commit { transaction in
      var draft = EventDraft(
        event: "catalog.revised", type: "catalog", resource: CommandEngine.catalogIdentifier, actor: "server",
        schema: schema)
      draft.set = ["folding": "9.0"]
      draft.was = ["folding": .string(UnicodeForm.version)]
      try transaction.append(draft)
    }
    try await book.engine.recordCatalog()
    try book.checkIndexes()
    let last = try #require(try book.records(of: CommandEngine.catalogIdentifier.text).last)
    #expect(last.body.set == ["folding": .string(UnicodeForm.version)])
    #expect(try await book.refusal("user.create", ["email": .string(Self.composed)]).reason == "unique")
  }
}
