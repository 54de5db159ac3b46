import BasicTypes
import CanonicalJSON
import Foundation
import MerkleTree
import TestBasics
import Testing

@Suite(.serialized) struct WitnessCommandTests {
  @Test func `a server's checkpoint is cosigned over HTTP and by files, and an event proved to it`() async throws {
    try await withDesk { desk in
      try await desk.withServer {
        _ = try await desk.call("organization.create", ["name": "acme", "slug": "acme"])
        let log = try #require(try await desk.call("log.checkpoint")["verifier_key"]?.stringValue)
        let keyFile = desk.folder + "/witness.key"
        let made = try await desk.daybook("witness", "key", "--name", "witness.example", "--key-file", keyFile)
        let key = try #require(made.lines.first, "\(made.errors)")
        #expect(try await desk.daybook("witness", "key", "--name", "w", "--key-file", keyFile).status != .code(0))
        let state = desk.folder + "/witness"

        // By files, where no network joins them.
        let request = desk.folder + "/request"
        let asked = try await desk.daybook("witness", "ask", "--request", request)
        #expect(asked.status == .code(0), "\(asked.errors)")
        let cosigned = try await desk.daybook(
          "witness", "cosign", request, "--key-file", keyFile, "--state", state, "--log", log)
        #expect(cosigned.status == .code(0) && cosigned.output.hasPrefix("— witness.example "), "\(cosigned.errors)")

        // Over HTTP, by another process that remembers.
        let output = desk.folder + "/serve.log"
        let server = try SpawnedProcess(
          [
            try Programs.built("daybook"), "witness", "serve", "--key-file", keyFile, "--state", state, "--log", log,
            "--listen", "127.0.0.1:0",
          ], outputFile: output, errorFile: output + ".err", environment: [:])
        let url = try await eventually("the witness listens", within: .seconds(20)) { () -> String? in
          TestFiles.text(output).split(separator: " ").last.map { $0.trimmingCharacters(in: .whitespacesAndNewlines) }
            .flatMap { $0.hasPrefix("http://") ? $0 : nil }
        }
        _ = try await desk.call("organization.create", ["name": "more", "slug": "more"])
        let note = desk.folder + "/checkpoint.note"
        let kept = try await desk.daybook(
          "witness", "ask", url, "--witness-key", key, "--output", note)
        #expect(kept.status == .code(0), "\(kept.errors)")
        let signed = try SignedNote(parsing: try TestFiles.bytes(note))
        #expect(signed.signatures.count == 2)
        #expect(try NoteVerifier(vkey: key).cosignatureTime(signed) != nil)
        #expect(try NoteVerifier(vkey: log).verifies(signed))

        // An event, proved to a checkpoint by the bytes of its header.
        let (proof, header) = (desk.folder + "/3.tlog-proof", desk.folder + "/3.json")
        let proved = try await desk.daybook("log", "proof", "3", proof, "--header", header)
        #expect(proved.status == .code(0), "\(proved.errors)")
        let lines = TestFiles.text(proof).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        #expect(lines[0] == "c2sp.org/tlog-proof@v1" && lines[1] == "index 2")
        let end = try #require(lines.firstIndex(of: ""))
        let checkpoint = try Checkpoint(
          text: try SignedNote(parsing: Array(lines[(end + 1)...].joined(separator: "\n").utf8)).text)
        #expect(
          MerkleProof.verifyInclusion(
            leaf: RFC6962.leafHash(try TestFiles.bytes(header)), index: 2, size: checkpoint.size,
            proof: try lines[2..<end].map { try #require(Digest(base64: $0)) }, root: checkpoint.root))

        // A policy that the program writes is what it asks witnesses by, and what it checks by; another log's is not.
        let stranger = desk.folder + "/stranger.key"
        let absent = try #require(
          try await desk.daybook("witness", "key", "--name", "absent.example", "--key-file", stranger).lines.first)
        let policy = desk.folder + "/policy"
        let written = try await desk.daybook(
          "log", "policy", policy, "--quorum", "any", "--witness", "\(key) \(url)", "--witness", absent)
        #expect(written.status == .code(0), "\(written.errors)")
        #expect(
          TestFiles.text(policy)
            == "log \(log)\nwitness witness.example \(key) \(url)\nwitness absent.example \(absent)\n"
            + "group witnesses 1 witness.example absent.example\nquorum witnesses\n")
        let fresh = desk.folder + "/fresh.note"
        let met = try await desk.daybook("witness", "ask", "--policy", policy, "--output", fresh)
        #expect(met.status == .code(0), "\(met.errors)")
        let checked = try await desk.daybook("log", "check", fresh, "--policy", policy)
        #expect(checked.status == .code(0) && checked.lines.last == "It is verified.", "\(checked.output)")
        #expect(checked.output.contains("The witness witness.example has seen that tree"), "\(checked.output)")
        let both = desk.folder + "/both"
        _ = try await desk.daybook("log", "policy", both, "--witness", "\(key) \(url)", "--witness", absent)
        let unmet = try await desk.daybook("witness", "ask", "--policy", both, "--output", desk.folder + "/none")
        #expect(unmet.status == .code(1) && unmet.errors.contains("takes 2 of"), "\(unmet.errors)")
        #expect(!FileManager.default.fileExists(atPath: desk.folder + "/none"))
        #expect(try await desk.daybook("log", "check", fresh, "--policy", both).status == .code(2))

        // The proof of an event and its header, by the log's key and by a policy that asks for nobody.
        let plain = desk.folder + "/plain"
        _ = try await desk.daybook("log", "policy", plain)
        for trust in [["--key", log], ["--policy", plain]] {
          let sound = try await desk.daybook("log", "check", proof, "--header", header, trust[0], trust[1])
          #expect(sound.status == .code(0), "\(sound.output)\(sound.errors)")
          #expect(sound.output.contains("The header is that of the event 3 of this tree."), "\(sound.output)")
        }
        var bytes = try TestFiles.bytes(header)
        bytes[bytes.count / 2] ^= 1
        let changed = desk.folder + "/changed.json"
        try Data(bytes).write(to: URL(fileURLWithPath: changed))
        let wrong = try await desk.daybook("log", "check", proof, "--header", changed, "--policy", plain)
        #expect(wrong.status == .code(2) && wrong.output.contains("The header is not that of the event 3"))
        #expect(try await desk.daybook("log", "check", proof, "--policy", plain).status == .code(64))
        server.send(15)
        _ = try await server.wait(within: .seconds(20))
      }
    }
  }
}
