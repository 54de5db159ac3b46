import BasicTypes
import CanonicalJSON
import DaybookTestKit
import EventLog
import Foundation
import Postgres
import TestBasics
import Testing

@Suite(.serialized) struct SafekeepingTests {
  @Test func `rebuild, verify, backup and restore work with the keys`() async throws {
    try await withDesk { desk in
      let user: JSON = ["email": "ada@example.org", "full_name": "Ada"]
      let backup = desk.folder + "/backup"
      let keys = desk.folder + "/keys"
      try await desk.withServer {
        _ = try await desk.makePipeline()
        try await desk.call("user.create", user)
        #expect(try await desk.call("user.list", ["timeout_ms": 30_000])["items"]?.arrayValue?.count == 1)
        let rebuilt = try await desk.daybook("rebuild", "--json")
        #expect(rebuilt.status == .code(0), "\(rebuilt.errors)")
        let tables = try rebuilt.json()["tables"]?.arrayValue ?? []
        #expect(tables.contains { $0["table"] == "daybook.pipelines" && $0["rows"] == 1 })
        #expect(tables.allSatisfy { $0["differs"] == false })
        let checked = try await desk.daybook("rebuild", "pipelines", "users", "--check")
        #expect(checked.status == .code(0), "\(checked.errors)")
        #expect(try await desk.daybook("verify").status == .code(0))
        let made = try await desk.daybook("backup", backup, "--keys", keys)
        #expect(made.status == .code(0), "\(made.errors)")
        let refused = try await desk.daybook("backup", backup)
        #expect(refused.status == .code(1))
        let offline = try await desk.daybook("backup", desk.folder + "/other", "--data", desk.data)
        #expect(offline.status == .code(69), "a running server holds the folder")
      }
      #expect(try await desk.daybook("verify", "--backup", backup).status == .code(0))
      try await refusesForgedManifests(of: backup, desk, keys)
      let again = try await desk.daybook("backup", desk.folder + "/offline", "--data", desk.data, "--json")
      #expect(again.status == .code(0), "\(again.errors)")
      let rootKey = desk.data + ".root-key"
      let keyless = try await desk.daybook("restore", backup, "--data", desk.folder + "/new")
      #expect(keyless.status == .code(64))
      #expect(keyless.errors.contains("--without-keys"))
      // Restored in place of the old folder, so that the same root key is beside it.
      try FileManager.default.removeItem(atPath: desk.data)
      #expect(FileManager.default.fileExists(atPath: rootKey))
      let restored = try await desk.daybook("restore", backup, "--keys", keys, "--json")
      #expect(restored.status == .code(0), "\(restored.errors)")
      #expect(try await desk.daybook("verify").status == .code(0))
      #expect(try await desk.daybook("restore", backup).status == .code(64), "there is a log already")
      try await desk.withServer {
        let found = try await desk.call("user.get", ["email": "ada@example.org"])
        #expect(found["item"]?["full_name"] == "Ada")
        try await recordsTheRestore(desk, try restored.json())
        let clock = try await desk.daybook("clock", "confirm", "--reason", "nothing is wrong")
        #expect(clock.status == .code(0), "\(clock.errors)")
        #expect(clock.output.contains("nothing was recorded"), "\(clock.output)")
        #expect(try await desk.daybook("clock", "--json").json()["standing"] == "trusted")
        #expect(try await desk.call("pipeline.list", ["timeout_ms": 30_000])["items"]?.arrayValue?.count == 1)
      }
    }
  }

  @Test func `a log goes through its text into another data folder, and a text that isn't whole goes nowhere`()
    async throws
  {
    try await withDesk { desk in
      let text = desk.folder + "/log.ndjson"
      let keys = desk.folder + "/keys"
      try await desk.withServer {
        _ = try await desk.makePipeline()
        try await desk.call("user.create", ["email": "ada@example.org", "full_name": "Ada"])
        let busy = try await desk.daybook("log", "dump", text, "--data", desk.data)
        #expect(busy.status == .code(69), "a running server holds the folder: \(busy.errors)")
        #expect(try await desk.daybook("backup", desk.folder + "/backup", "--keys", keys).status == .code(0))
      }
      let dumped = try await desk.daybook("log", "dump", text, "--backup", desk.folder + "/backup", "--json")
      #expect(dumped.status == .code(0), "\(dumped.errors)")
      let again = try await desk.daybook("log", "dump", text, "--backup", desk.folder + "/backup")
      #expect(again.status == .code(64) && again.errors.contains("exists"), "\(again.errors)")
      let lines = try String(contentsOfFile: text, encoding: .utf8)
      #expect(!lines.contains("ada@example.org"))
      let piped = try await desk.daybook("log", "dump", "-", "--data", desk.data)
      #expect(piped.status == .code(0) && piped.output.hasPrefix("{\"at\":"), "\(piped.errors)")
      let cut = desk.folder + "/cut.ndjson"
      try Data(lines.dropLast(200).utf8).write(to: URL(fileURLWithPath: cut))
      let refused = try await desk.daybook("log", "load", cut, desk.folder + "/none")
      #expect(refused.status == .code(2) && refused.errors.contains("line "), "\(refused.errors)")
      let loaded = try await desk.daybook("log", "load", text, desk.folder + "/loaded", "--json")
      #expect(loaded.status == .code(0), "\(loaded.errors)")
      let roots = (try dumped.json()["root"], try loaded.json()["root"])
      #expect(roots.0 == roots.1 && roots.0 != nil)
      #expect(try await desk.daybook("verify", "--backup", desk.folder + "/loaded").status == .code(0))
      try FileManager.default.removeItem(atPath: desk.data)
      let restored = try await desk.daybook("restore", desk.folder + "/loaded", "--keys", keys)
      #expect(restored.status == .code(0), "\(restored.errors)")
      try await desk.withServer {
        let ada = try await desk.call("user.get", ["email": "ada@example.org"])
        #expect(ada["item"]?["full_name"] == "Ada")
      }
    }
  }

  @Test func `a check that can't compare a table says so and doesn't end well`() async throws {
    try await withDesk { desk in
      let url = try await ThrowawayPostgres.database()
      try await desk.withServer(url: url) {
        let pipeline = try await desk.makePipeline()
        #expect(try await desk.call("pipeline.list", ["timeout_ms": 30_000])["items"]?.arrayValue?.count == 1)
        let whole = try await desk.daybook("rebuild", "pipelines", "--check", "--json")
        #expect(whole.status == .code(0), "\(whole.errors)")
        #expect(try whole.json()["complete"] == true && whole.json()["notes"] == [])
        // From here on the live table takes no change of the pipeline.
        try await PostgresConnection.with(url) {
          try await $0.execute("ALTER TABLE daybook.pipelines ADD CONSTRAINT none CHECK (name <> 'refused')")
        }
        try await desk.call("pipeline.edit", ["id": .string(pipeline), "name": "refused"])
        let json = try await desk.daybook("rebuild", "pipelines", "--check", "--json")
        #expect(json.status == .code(69), "\(json.errors)")
        let report = try json.json()
        #expect(report["complete"] == false && report["differences"] == [])
        let note = try #require(report["notes"]?.arrayValue?.first?.stringValue)
        #expect(note.hasPrefix("daybook.pipelines: not compared, since the live table is at position "))
        #expect(report["tables"]?.arrayValue?.first?["not_compared"]?.stringValue?.hasPrefix("since the live") == true)
        let text = try await desk.daybook("rebuild", "pipelines", "--check")
        #expect(text.status == .code(69))
        #expect(text.output.contains("not compared, since the live table is at position"), "\(text.output)")
        #expect(text.errors.contains("Not everything could be compared"), "\(text.errors)")
      }
    }
  }

  @Test func `what follows from the records is made anew by reindex`() async throws {
    try await withDesk { desk in
      try await desk.withServer {
        _ = try await desk.makePipeline()
        try await desk.call("user.create", ["email": "ada@example.org", "command_id": "once"])
        let refused = try await desk.daybook("reindex")
        #expect(refused.status == .code(69), "a running server holds the folder: \(refused)")
      }
      let before = try await desk.daybook("verify", "--json").json()
      let file = URL(fileURLWithPath: desk.data + "/log/data.mdb")
      let whole = try Data(contentsOf: file)
      // Every state of a pipeline says another name of one of its members, in each copy of its page.
      var damaged = whole
      var rest = whole.startIndex..<whole.endIndex
      while let place = whole.range(of: Data(#"","fields":{"#.utf8), in: rest) {
        damaged[place.lowerBound + 4] ^= 1
        rest = place.upperBound..<whole.endIndex
      }
      #expect(damaged != whole)
      try damaged.write(to: file)
      let found = try await desk.daybook("verify", "--json")
      #expect(found.status == .code(2))
      #expect(try found.json()["reindex_suffices"] == true)
      #expect(try found.json()["damaged"] == ["states"])
      let told = try await desk.daybook("verify")
      #expect(told.output.contains("daybook reindex --data"))
      #expect(!told.output.contains("backup"))
      let made = try await desk.daybook("reindex", "--json")
      #expect(made.status == .code(0), "\(made)")
      #expect(try made.json()["answers_lost"] == 0)
      let after = try await desk.daybook("verify", "--json").json()
      for name in ["events", "states", "index_entries", "root", "healthy"] { #expect(after[name] == before[name]) }
      try await desk.withServer {
        let again = try await desk.call("user.create", ["email": "ada@example.org", "command_id": "once"])
        #expect(again["replayed"] == true)
      }
    }
  }

  @Test func `a log that was put back to an older one is refused, and one without any signed head until accepted`()
    async throws
  {
    try await withDesk { desk in
      try await desk.withServer { _ = try await desk.makePipeline() }
      let file = desk.data + "/log/data.mdb"
      let older = try TestFiles.bytes(file)
      try await desk.withServer { try await desk.call("user.create", ["email": "ada@example.org"]) }
      let newer = try TestFiles.bytes(file)
      let position = try #require(try await desk.daybook("verify", "--json").json()["signed_position"]?.integerValue)
      // As somebody does who wants the last events undone.
      try TestFiles.write(older, to: file)
      for name in ["head", "head-2"] { unlink("\(desk.data)/\(name)") }
      let cut = try await desk.daybook("serve", "--listen", "none", "--accept-missing-head")
      #expect(cut.status == .code(2))
      for words in ["the tail is lost", "position \(position)", "/vault/head"] {
        #expect(cut.errors.contains(words), "\(cut.errors)")
      }
      let told = try await desk.daybook("verify", "--json")
      #expect(told.status == .code(2))
      #expect(try told.json()["damaged"] == ["head"])
      // The right log, of which nothing signed is left.
      try TestFiles.write(newer, to: file)
      unlink(desk.data + "/vault/head")
      let refused = try await desk.daybook("serve", "--listen", "none")
      #expect(refused.status == .code(69))
      for words in ["ends at position \(position)", "serve --accept-missing-head", "/head-2", "/vault/head"] {
        #expect(refused.errors.contains(words), "\(refused.errors)")
      }
      #expect(!refused.errors.contains("backup"))
      let verified = try await desk.daybook("verify")
      #expect(verified.status == .code(2))
      #expect(verified.output.contains("whole in itself"), "\(verified.output)")
      #expect(verified.output.contains("--accept-missing-head"), "\(verified.output)")
      for arguments in [["--accept-missing-head"], []] {
        try await desk.withServer(arguments) {
          let records = try await desk.call("log.read", ["from": .integer(position + 1)])["records"]?.arrayValue ?? []
          let accepted = records.filter { $0["header"]?["event"] == "installation.head_accepted" }
          #expect(accepted.count == 1, "\(records.map(\.canonicalString))")
          #expect(accepted.first?["header"]?["position"] == .integer(position + 1), "before anything else")
          #expect(accepted.first?["body"]?["data"]?["position"] == .integer(position))
          #expect(accepted.first?["body"]?["data"]?["uid"] == .integer(Int64(getuid())))
          #expect(accepted.first?["body"]?["set"] == ["accepted_position": .integer(position)])
        }
        #expect(!FileManager.default.fileExists(atPath: desk.data + "/accepted.json"))
      }
      #expect(try await desk.daybook("verify").status == .code(0))
    }
  }

  @Test func `put back over what was there, a backup works, and says up to where the key has signed another log`()
    async throws
  {
    try await withDesk { desk in
      let backup = desk.folder + "/backup"
      try await desk.withServer {
        _ = try await desk.makePipeline()
        #expect(try await desk.daybook("backup", backup).status == .code(0))
        try await desk.call("user.create", ["email": "ada@example.org"])
      }
      let signed = try #require(try await desk.daybook("verify", "--json").json()["signed_position"]?.integerValue)
      // The log is lost, and everything else is there.
      try FileManager.default.removeItem(atPath: desk.data + "/log")
      let restored = try await desk.daybook("restore", backup, "--json")
      #expect(restored.status == .code(0), "\(restored.errors)")
      let position = try #require(try restored.json()["position"]?.integerValue)
      #expect(position < signed)
      #expect(try await desk.daybook("verify").status == .code(0))
      try await desk.withServer {
        let records = try await desk.call("log.read", ["from": .integer(position + 1), "limit": 1])
        let record = try #require(records["records"]?.arrayValue?.first)
        #expect(record["header"]?["event"] == "installation.restored", "\(record.canonicalString)")
        #expect(record["body"]?["data"]?["signed_position"] == .integer(signed))
        #expect(try await desk.call("log.checkpoint")["tree_size"]?.integerValue ?? 0 > position)
      }
      #expect(try await desk.daybook("verify").status == .code(0))
      // Without keys it gets a new one, which signs it from the start.
      let keyless = try await desk.daybook("restore", backup, "--data", desk.folder + "/new", "--without-keys")
      #expect(keyless.status == .code(0), "\(keyless.errors)")
      let verified = try await desk.daybook("verify", "--data", desk.folder + "/new", "--json")
      #expect(verified.status == .code(0), "\(verified.output)")
      #expect(try verified.json()["signed_position"] == .integer(position))
    }
  }

  @Test func `reindex says where it took this program's resource types, since the log's own can't be read`()
    async throws
  {
    try await withDesk { desk in
      try await desk.withServer { _ = try await desk.makePipeline() }
      let whole = try await desk.daybook("reindex", "--json")
      #expect(whole.status == .code(0), "\(whole.errors)")
      #expect(try whole.json()["notes"] == [])
      let book = try TestDomain(data: desk.data)
      let record = try #require(try book.log.read { try $0.records(from: 1, limit: 1, maximumBytes: 1 << 20) }.first)
      var draft = EventDraft(
        event: "catalog.revised", type: "catalog", resource: try record.parsedHeader().resource, actor: "server",
        schema: "x", at: .now)
      draft.data = ["source": ["thing.yaml": ["no such member": 1]]]
      try await book.append([draft])
      book.close()
      let told = try await desk.daybook("reindex")
      #expect(told.status == .code(0), "\(told.errors)")
      #expect(told.output.contains("Note: The catalog that the log has recorded at position"), "\(told.output)")
      #expect(told.output.contains("the resource types of this program"), "\(told.output)")
      #expect(try await desk.daybook("reindex", "--json").json()["notes"]?.arrayValue?.count == 1)
    }
  }

  /// The first start after a restore has recorded it, once, as the first event after the backup.
  private func recordsTheRestore(_ desk: Desk, _ restored: JSON) async throws {
    let position = try #require(restored["position"]?.integerValue)
    let records = try await desk.call("log.read", ["from": .integer(position + 1), "limit": 1])
    let record = try #require(records["records"]?.arrayValue?.first)
    #expect(record["header"]?["event"] == "installation.restored", "\(record.canonicalString)")
    let data = record["body"]?["data"]
    #expect(data?["position"] == .integer(position))
    #expect(data?["root"] == restored["root"])
    #expect(data?["backup_at"] == restored["at"])
    #expect(data?["keys"] == "imported")
    #expect(data?["uid"] == .integer(Int64(getuid())))
    #expect(!FileManager.default.fileExists(atPath: desk.data + "/restored.json"))
  }

  /// A manifest that says otherwise than the log, or is missing, is damage to `verify` and `restore` alike.
  private func refusesForgedManifests(of backup: String, _ desk: Desk, _ keys: String) async throws {
    let forged = desk.folder + "/forged"
    try FileManager.default.copyItem(atPath: backup, toPath: forged)
    let file = URL(fileURLWithPath: forged + "/manifest.json")
    let whole = String(decoding: try Data(contentsOf: file), as: UTF8.self)
    let position = try #require(try JSON.parse(Array(whole.utf8))["position"]?.integerValue)
    let cases: [(text: String?, status: Int32, words: String)] = [
      (whole.replacing("\"position\":\(position)", with: "\"position\":99999"), 2, "99999"),
      (whole.replacing("daybook-log-2", with: "x"), 69, "format x"), (nil, 2, "manifest.json"),
    ]
    for (text, status, words) in cases {
      if let text { try Data(text.utf8).write(to: file) } else { try FileManager.default.removeItem(at: file) }
      let verified = try await desk.daybook("verify", "--backup", forged)
      #expect(verified.status == .code(status), "\(verified.output) \(verified.errors)")
      #expect((verified.output + verified.errors).contains(words), "\(verified.output) \(verified.errors)")
      let restored = try await desk.daybook("restore", forged, "--data", desk.folder + "/r", "--without-keys")
      #expect(restored.status == .code(status), "\(restored.errors)")
      #expect(restored.errors.contains(words), "\(restored.errors)")
      #expect(!FileManager.default.fileExists(atPath: desk.folder + "/r/log/data.mdb"))
    }
  }

  @Test func `damage of any kind ends verify with two and a report`() async throws {
    try await withDesk { desk in
      try await desk.withServer { _ = try await desk.makePipeline() }
      let file = URL(fileURLWithPath: desk.data + "/log/data.mdb")
      let whole = try Data(contentsOf: file)
      let healthy = try await desk.daybook("verify", "--json")
      #expect(try healthy.json()["healthy"] == true, "\(healthy.errors)")
      // LMDB keeps old copies of pages, so every place where the record may stand is changed.
      var changed = whole
      var rest = whole.startIndex..<whole.endIndex
      while let place = whole.range(of: Data("pipeline.edited".utf8), in: rest) {
        changed[place.lowerBound] ^= 1
        rest = place.upperBound..<whole.endIndex
      }
      #expect(changed != whole)
      try changed.write(to: file)
      let found = try await desk.daybook("verify", "--json")
      #expect(found.status == .code(2))
      #expect(try found.json()["problems"]?.arrayValue?.contains { $0["position"]?.integerValue != nil } == true)
      var generator = Seeded(seed: 42)
      for round in 0..<6 {
        var damaged = whole
        if round.isMultiple(of: 2) {
          for _ in 0..<300 {
            damaged[Int(generator.next() % UInt64(damaged.count))] = UInt8(truncatingIfNeeded: generator.next())
          }
        } else {
          damaged = damaged.prefix(whole.count * (round + 1) / 8)
        }
        try damaged.write(to: file)
        let outcome = try await desk.daybook("verify", "--patience", "20", "--json")
        #expect(outcome.status == .code(2), "round \(round): \(outcome.output) \(outcome.errors)")
        #expect(try outcome.json()["healthy"] == false)
      }
      try FileManager.default.removeItem(at: file)
      #expect(try await desk.daybook("verify").status == .code(64))
    }
  }
}
