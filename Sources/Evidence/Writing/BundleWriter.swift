import BasicTypes
import CanonicalJSON
import Files
import MerkleTree

/// Makes an evidence bundle of a log, by the methods that its server has for everybody: `export.create`, `log.headers`,
/// `log.read`, `log.proof`, `export.complete`.
///
/// It streams: what it holds is a page of headers, and one of records. What was interrupted is gone on with in the same
/// folder, and is about the same tree.
package struct BundleWriter: Sendable {
  /// Calls a method of the server.
  package typealias Ask = @Sendable (_ method: String, _ params: JSONObject) async throws -> JSON
  /// How far it has come: what it does, and how much of how much is done.
  package typealias Progress = @Sendable (_ phase: String, _ done: UInt64, _ total: UInt64) -> Void

  /// What came of it.
  package struct Result: Sendable {
    /// The export's terms.
    package let terms: ExportTerms
    /// The SHA-256 of the manifest.
    package let manifest: Digest
    /// The log's public key, as the server gave it.
    package let key: NoteVerifier
  }

  private let request: BundleRequest
  private let program: String
  private let ask: Ask
  private let progress: Progress
  private var folder: BundleFolder

  private init(
    _ folder: String, _ request: BundleRequest, program: String, asking ask: @escaping Ask,
    progress: @escaping Progress
  ) throws {
    self.request = request
    self.program = program
    self.ask = ask
    self.progress = progress
    self.folder = try BundleFolder(folder, request)
  }

  /// Makes a bundle.
  /// - Parameters:
  ///   - folder: Where; it must not exist, be empty, or hold an unfinished bundle of the same request.
  ///   - program: What the manifest says of who wrote it.
  /// - Throws: ``EvidenceError``, `FileError`, and what `ask` throws. What was written stays, to be gone on with.
  package static func write(
    _ request: BundleRequest, into folder: String, program: String, asking ask: @escaping Ask,
    progress: @escaping Progress = { _, _, _ in }
  ) async throws -> Result {
    var writer = try BundleWriter(folder, request, program: program, asking: ask, progress: progress)
    return try await writer.run()
  }

  static func impossible(_ what: String) -> EvidenceError {
    EvidenceError(
      .source, "The server's answers don't fit together: \(what).",
      next: "Run the same command again; if it stays so, run daybook verify on the server.")
  }

  private mutating func run() async throws -> Result {
    let answer = try await begin()
    guard let terms = answer["terms"].flatMap({ ExportTerms($0) }), let checkpoint = answer["checkpoint"]?.stringValue,
      let key = answer["verifier_key"]?.stringValue.flatMap({ try? NoteVerifier(vkey: $0) })
    else { throw Self.impossible("export.create has no terms") }
    let digest: Digest
    if let written = try writtenManifest() {
      digest = written
    } else {
      digest = try await makeFiles(terms, checkpoint, key)
    }
    let completed = try await ask(
      "export.complete",
      [
        "command_id": .string(folder.completeID), "id": .string(terms.id.text),
        "manifest_sha256": .string(digest.hex), "row_count": JSON(position: terms.events),
      ])
    guard let note = completed["note"]?.stringValue else { throw Self.impossible("export.complete has no note") }
    try write(Array(note.utf8), to: BundleFile.note)
    try folder.finish()
    return Result(terms: terms, manifest: digest, key: key)
  }

  /// The digest of the manifest that an interrupted run has written already, with all that it lists.
  private func writtenManifest() throws -> Digest? {
    guard let kept = folder.manifest.flatMap({ Digest(hex: $0) }) else { return nil }
    let found = try FileDigest.of(folder.file(BundleFile.manifest)).digest
    return found == kept ? kept : nil
  }

  /// Makes every file but the note of the manifest.
  private mutating func makeFiles(_ terms: ExportTerms, _ checkpoint: String, _ key: NoteVerifier) async throws
    -> Digest
  {
    try write(Array(checkpoint.utf8), to: BundleFile.checkpoint)
    try write(Array("\(key.vkey)\n".utf8), to: BundleFile.verifierKey)
    try await writeProofs(terms)
    try await download(terms)
    try await writeDrops(terms)
    if request.isDecrypted { try await DecryptedView.write(folder, terms, ask) }
    let views = try BundleViews.write(folder, terms, request, key: key, program: program) { [progress] done in
      progress("views", done, terms.events)
    }
    var manifest = BundleManifest(
      terms: terms, purpose: request.purpose, origin: key.name, catalog: views.catalog, period: views.period,
      redactions: redactions(terms, views), files: [], program: program)
    if request.mappings.contains(.oscal) {
      let measured = BundleVerifier.measure(folder.path, as: manifest, key: key)
      let view = OSCALView(manifest, measured, isOrderedByTime: views.isOrderedByTime)
      try write(view.json.canonicalBytes + [0x0A], to: BundleFile.oscal)
    }
    manifest.files = try files()
    let bytes = manifest.bytes
    try write(bytes, to: BundleFile.manifest)
    let digest = bytes.withUnsafeBytes { RFC6962.sha256($0) }
    try folder.keep(manifest: digest.hex)
    return digest
  }

  /// The answer to `export.create`: that of the interrupted run, where there was one.
  private mutating func begin() async throws -> JSON {
    if let answer = folder.answer { return answer }
    var parameters = request.parameters
    parameters["command_id"] = .string(folder.createID)
    let answer = try await ask("export.create", parameters)
    try folder.keep(answer)
    return answer
  }

  private func write(_ bytes: [UInt8], to name: String) throws {
    try FileSystem<FileError>.replace(folder.file(name), with: bytes, syncing: true)
  }

  private func writeProofs(_ terms: ExportTerms) async throws {
    func hashes(_ parameters: JSONObject) async throws -> [Digest] {
      guard let hashes = Digest.list(try await ask("log.proof", parameters)["hashes"]) else {
        throw Self.impossible("log.proof has no hashes")
      }
      return hashes
    }
    func path(_ position: UInt64) async throws -> [Digest] {
      try await hashes(["position": JSON(position: position), "tree_size": JSON(position: terms.treeSize)])
    }
    guard
      let proof = RangeProof(
        first: terms.first, last: terms.last, treeSize: terms.treeSize, ofFirst: try await path(terms.first),
        ofLast: try await path(terms.last))
    else { throw Self.impossible("the proofs of the range's ends don't fit its tree") }
    var object = proof.json
    var consistency: [JSON] = []
    for size in request.earlierSizes where size > 0 && size < terms.treeSize {
      let found = try await hashes(["from_size": JSON(position: size), "to_size": JSON(position: terms.treeSize)])
      consistency.append(
        ["from_size": JSON(position: size), "hashes": .array(found.map { .string($0.base64) })])
    }
    object["consistency"] = .array(consistency)
    try write(object.canonicalBytes + [0x0A], to: BundleFile.proofs)
  }

  private func download(_ terms: ExportTerms) async throws {
    var download = try RangeDownload(folder, terms, ask)
    let total = terms.last - terms.first + 1
    repeat {
      progress("records", download.position - terms.first, total)
    } while try await download.next()
    progress("records", total, total)
  }

  /// The events that dropped bodies of the records, with their proofs; no file where there are none.
  private func writeDrops(_ terms: ExportTerms) async throws {
    var events: Set<UInt64> = []
    let opening = Array(#"{"body":{"$dropped":"#.utf8)
    var lines = try BundleLines(folder.file(BundleFile.events))
    while let line = try lines.next() {
      guard line.starts(with: opening), let body = (try? JSON.parse(line))?["body"],
        let event = BundleDrops.event(claimedBy: body)
      else { continue }
      events.insert(event)
    }
    var text: [UInt8] = []
    for event in events.sorted() {
      guard event <= terms.treeSize else {
        throw EvidenceError(
          .source, "Values were taken out of the log, by the event \(event), while this export was under way.",
          next: "Remove the folder, and make the export again.")
      }
      let read = try await ask("log.read", ["from": JSON(position: event), "limit": 1])
      guard let record = read["records"]?.arrayValue?.first, let header = record["header"], let body = record["body"],
        header["position"] == JSON(position: event)
      else { throw Self.impossible("log.read doesn't show the event \(event), which dropped bodies that it shows") }
      let proof = try await ask(
        "log.proof", ["position": JSON(position: event), "tree_size": JSON(position: terms.treeSize)])
      let line: JSON = ["body": body, "hashes": proof["hashes"] ?? [], "header": header]
      text += line.canonicalBytes + [0x0A]
    }
    if !text.isEmpty { try write(text, to: BundleFile.drops) }
  }

  /// What the bundle doesn't show, and why.
  private func redactions(_ terms: ExportTerms, _ views: BundleViews.Summary) -> [BundleManifest.Redaction] {
    var redactions: [BundleManifest.Redaction] = []
    if terms.withheld > 0 {
      redactions.append(
        BundleManifest.Redaction(
          what: "headers of other organizations or of types that the one who asked doesn't see", count: terms.withheld,
          why: "they are not for the one who asked; their hashes stand in headers.jsonl"))
    }
    if views.sealedRecords > 0 {
      redactions.append(
        BundleManifest.Redaction(
          what: "records with sealed values", count: views.sealedRecords,
          why: "personal values, secrets and reasons are encrypted in the log and stay so in events.jsonl"))
    }
    if views.droppedRecords > 0 {
      redactions.append(
        BundleManifest.Redaction(
          what: "records whose bodies were dropped", count: views.droppedRecords,
          why: "values were taken out of the log for good; drops.jsonl has the events that say so"))
    }
    return redactions
  }

  /// Every file but the manifest and its note.
  private func files() throws -> [BundleManifest.File] {
    let names = try FileSystem<FileError>.names(in: folder.path) ?? []
    let left = [BundleFile.manifest, BundleFile.note, BundleFile.state]
    return try names.filter { !left.contains($0) }.map { name in
      let found = try FileDigest.of(folder.file(name))
      return BundleManifest.File(
        name: name, bytes: found.bytes, digest: found.digest, remark: BundleViews.remark(on: name, request))
    }
  }
}
