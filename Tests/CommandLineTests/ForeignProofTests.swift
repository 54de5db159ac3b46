import CanonicalJSON
import Foundation
import TestBasics
import Testing

/// What a server says of its log, checked by Go's own `note` and `tlog`.
@Suite(.serialized) struct ForeignProofTests {
  /// Where a distribution has the sources of `golang.org/x/mod`; nil where they or Go are not there.
  private static let goPath: String? = {
    let path = "/usr/share/gocode"
    let files = FileManager.default
    let hasGo = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").contains {
      files.isExecutableFile(atPath: "\($0)/go")
    }
    return hasGo && files.fileExists(atPath: path + "/src/golang.org/x/mod/sumdb/tlog") ? path : nil
  }()

  @Test(.enabled(if: goPath != nil, "Debian's golang-go and golang-golang-x-mod-dev are not installed"))
  func `Go's tlog takes the checkpoint, the root, every proof and every proof file of a server`() async throws {
    let goPath = try #require(Self.goPath)
    try await withDesk { desk in
      try await desk.withServer {
        let pipeline = try await desk.makePipeline()
        // More than one tile of leaves.
        for index in 0..<270 {
          try await desk.call("pipeline.edit", ["id": .string(pipeline), "description": .string("d\(index)")])
        }
        let checkpoint = try await desk.call("log.checkpoint")
        let size = try #require(checkpoint["tree_size"]?.integerValue)
        #expect(size > 270)
        let positions = (1...size).filter { $0 < 20 || $0 % 37 == 0 || $0 > size - 5 }
        let headers =
          try await desk.call("log.headers", ["from": 1, "limit": .integer(size)])["headers"]?.arrayValue ?? []
        try #require(headers.count == Int(size))
        var inclusions: [JSON] = []
        var consistency: [JSON] = []
        var files: [JSON] = []
        for position in positions {
          let proof = try await desk.call("log.proof", ["position": .integer(position), "tlog_proof": true])
          files.append(proof["tlog_proof"] ?? .null)
          for treeSize in Set([position, (position + size) / 2, size]) {
            let proof = try await desk.call(
              "log.proof", ["position": .integer(position), "tree_size": .integer(treeSize)])
            inclusions.append([
              "Index": .integer(position - 1), "Size": .integer(treeSize), "Root": proof["root"] ?? .null,
              "Header": .string(headers[Int(position) - 1].canonicalString), "Hashes": proof["hashes"] ?? .null,
            ])
          }
          let tree = try await desk.call(
            "log.proof", ["from_size": .integer(position), "to_size": .integer(size)])
          consistency.append([
            "FromSize": .integer(position), "ToSize": .integer(size), "FromRoot": tree["from_root"] ?? .null,
            "ToRoot": tree["root"] ?? .null, "Hashes": tree["hashes"] ?? .null,
          ])
        }
        var tiles = JSONObject()
        for (level, index) in [(0, 0), (0, 1), (1, 0)] as [(Int64, Int64)] {
          let tile = try await desk.call(
            "log.tile", ["level": .integer(level), "index": .integer(index), "tree_size": .integer(size)])
          tiles[try #require(tile["path"]?.stringValue)] = tile["tile"]
        }
        #expect(tiles.keys == ["tile/0/000", "tile/0/001.p/\(size - 256)", "tile/1/000.p/1"])
        // The key is that of the policy that the program writes: lines of log VKEY and quorum NAME.
        let written = try await desk.daybook("log", "policy", "-")
        let policy = written.lines.map { $0.split(separator: " ").map(String.init) }
        #expect(policy.map(\.first) == ["log", "quorum"] && policy.last == ["quorum", "none"], "\(written)")
        let input: JSON = [
          "Tiles": .object(tiles), "Key": .string(policy.first?.last ?? ""), "Note": checkpoint["note"] ?? .null,
          "Headers": .array(headers.map { .string($0.canonicalString) }), "Inclusions": .array(inclusions),
          "Consistency": .array(consistency), "Files": .array(files),
        ]
        let program = "\(Repository.root)/Tests/Fixtures/tlog/verify.go"
        func check(_ input: JSON) async throws -> ProgramResult {
          try await runProgram(
            ["/usr/bin/env", "go", "run", program], in: desk.directory, input: input.canonicalString,
            environment: [
              "GO111MODULE": "off", "GOPATH": goPath, "GOCACHE": desk.folder + "/go", "HOME": desk.folder,
              "GOFLAGS": "", "PATH": ProcessInfo.processInfo.environment["PATH"] ?? "",
            ], within: .seconds(180))
        }
        let checked = try await check(input)
        #expect(checked.status == .code(0), "\(checked.errors)")
        #expect(
          checked.output
            == "\(size) headers, \(inclusions.count) inclusions, \(positions.count) consistency proofs, "
            + "\(positions.count) files, 3 tiles\n")
        // The check can fail.
        guard case .object(var forged) = input, var list = forged["Headers"]?.arrayValue else { return }
        list[3] = .string((list[3].stringValue ?? "").replacingOccurrences(of: "pipeline", with: "pipelinf"))
        forged["Headers"] = .array(list)
        let refused = try await check(.object(forged))
        #expect(refused.status != .code(0) && refused.errors.contains("the root of"), "\(refused.errors)")
        forged["Headers"] = .array(headers.map { .string($0.canonicalString) })
        let tile = try #require(tiles["tile/0/000"]?.stringValue)
        tiles["tile/0/000"] = .string((tile.hasPrefix("A") ? "B" : "A") + tile.dropFirst())
        forged["Tiles"] = .object(tiles)
        let changed = try await check(.object(forged))
        #expect(changed.status != .code(0) && changed.errors.contains("by tiles"), "\(changed.errors)")
      }
    }
  }
}
