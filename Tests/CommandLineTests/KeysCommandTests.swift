import CanonicalJSON
import Foundation
import TestBasics
import Testing

/// New root keys, and a restore that knows of erasures that neither its backup nor its keys know.
@Suite(.serialized) struct KeysCommandTests {
  @Test func `keys are rotated while no server runs, and everything is still readable`() async throws {
    try await withDesk { desk in
      let user: JSON = ["email": "ada@example.org", "full_name": "Ada"]
      try await desk.withServer {
        try await desk.call("user.create", user)
        let busy = try await desk.daybook("keys", "rotate")
        #expect(busy.status == .code(69), "a running server holds the keys: \(busy.errors)")
      }
      let rootKey = desk.data + ".root-key"
      let before = TestFiles.text(rootKey)
      let rotated = try await desk.daybook("keys", "rotate", "--data-keys")
      #expect(rotated.status == .code(0) && rotated.output.contains("the new root key in \(rootKey)"), "\(rotated)")
      #expect(TestFiles.text(rootKey) != before)
      #expect(try await desk.daybook("verify").status == .code(0))
      let other = desk.folder + "/other-root-key"
      let moved = try await desk.daybook("keys", "rotate", "--new-root-key-file", other, "--json")
      #expect(try moved.json()["root_key_file"] == .string(other), "\(moved.errors)")
      let stale = try await desk.daybook("keys", "show")
      #expect(stale.status != .code(0) && stale.errors.contains("--root-key-file"), "\(stale.errors)")
      try await desk.withServer(["--root-key-file", other]) {
        #expect(try await desk.call("user.get", ["email": "ada@example.org"])["item"]?["full_name"] == "Ada")
        try await desk.call("user.create", ["email": "grace@example.org", "full_name": "Grace"])
      }
      let none = try await desk.daybook("keys", "rotate", "--data", desk.folder + "/nothing")
      #expect(none.status == .code(64) && none.errors.contains("no keys"), "\(none.errors)")
    }
  }

  @Test func `a restore from before an erasure, with keys from before it, erases the person again`() async throws {
    try await withDesk { desk in
      let backup = desk.folder + "/backup"
      let keys = desk.folder + "/keys"
      let erasures = desk.folder + "/erasures"
      let officer = ["DAYBOOK_EMAIL": "dpo@example.org", "DAYBOOK_PASSWORD": "correct horse battery"]
      var ann = ""
      try await desk.withServer {
        try await desk.call(
          "user.create",
          [
            "email": "dpo@example.org", "role": "officer", "is_staff": true, "password": "correct horse battery",
          ])
        ann = try #require(
          try await desk.call("user.create", ["email": "ann@example.org", "full_name": "Ann"])["id"]?.stringValue)
        try await desk.call("user.create", ["email": "ben@example.org", "full_name": "Ben"])
        #expect(try await desk.daybook("backup", backup, "--keys", keys).status == .code(0))
        let erased = try await desk.daybook(
          "subject", "erase", ann, "--reason", "Art. 17(1)(b)", "--yes", environment: officer)
        #expect(erased.status == .code(0), "\(erased.errors)")
        let listed = try await desk.daybook("keys", "erasures", erasures)
        #expect(listed.output.hasPrefix("1 erasures are in"), "\(listed)")
      }
      #expect(TestFiles.text(erasures).contains(ann) && !TestFiles.text(erasures).contains("ann@example.org"))
      // A new machine has the backup, the old export, and the list.
      try FileManager.default.removeItem(atPath: desk.data)
      let absent = try await desk.daybook("restore", backup, "--keys", keys, "--erasures", desk.folder + "/none")
      #expect(absent.status != .code(0) && absent.errors.contains("/none"), "\(absent.errors)")
      let restored = try await desk.daybook("restore", backup, "--keys", keys, "--erasures", erasures)
      #expect(restored.status == .code(0), "\(restored.errors)")
      try await desk.withServer {
        let person = try await desk.call("user.get", ["id": .string(ann), "include_deleted": true])
        #expect(person["item"]?["full_name"] == ["erased": true], "\(person)")
        #expect(try await desk.daybook("call", "user.get", #"{"email":"ann@example.org"}"#).status == .code(1))
        #expect(try await desk.call("user.get", ["email": "ben@example.org"])["item"]?["full_name"] == "Ben")
        _ = try await eventually("the erasure is complete") {
          let receipt = try await desk.daybook("subject", "receipt", ann, environment: officer)
          return receipt.lines.first == "\(ann): erased" ? receipt : nil
        }
      }
      #expect(try await desk.daybook("verify").status == .code(0))
    }
  }
}
