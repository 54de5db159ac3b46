import BasicTypes
import CanonicalJSON
import Files

/// The folder that a bundle is made in. It takes no folder in which anything else lies, and goes on with a bundle of
/// the same request that was interrupted.
struct BundleFolder: Sendable {
  private static let format = "daybook-evidence-partial/1"

  let path: String
  /// The command ids of the export, so that a call whose answer was lost is given again and does nothing twice.
  let createID: String
  let completeID: String
  private let request: BundleRequest
  /// What the server answered to `export.create`; nil before.
  private(set) var answer: JSON?
  /// The SHA-256 of the manifest that `export.complete` was told, or is about to be, in hex; nil before.
  private(set) var manifest: String?

  /// Opens a folder for a request.
  /// - Throws: ``EvidenceError`` where something else lies in it; `FileError`.
  init(_ path: String, _ request: BundleRequest) throws {
    self.path = path
    self.request = request
    let names = try FileSystem<FileError>.names(in: path) ?? []
    let stateFile = "\(path)/\(BundleFile.state)"
    guard let bytes = try FileSystem<FileError>.read(stateFile) else {
      guard names.isEmpty else {
        let what = names.contains(BundleFile.manifest) ? "a bundle already" : "something else already"
        throw EvidenceError(.folder, "There is \(what) in \(path); nothing was changed.", next: "Name a new folder.")
      }
      createID = Identifier.version7(at: .now).text
      completeID = Identifier.version7(at: .now).text
      try FileSystem<FileError>.makeFolder(path)
      try FileSystem<FileError>.create(stateFile, json.canonicalBytes)
      return
    }
    guard let state = try? JSON.parse(bytes), state["format"]?.stringValue == BundleFolder.format,
      let createID = state["create_id"]?.stringValue, let completeID = state["complete_id"]?.stringValue
    else {
      throw EvidenceError(
        .folder, "What an interrupted export left in \(stateFile) can't be read; nothing was changed.",
        next: "Name a new folder.")
    }
    guard state["request"] == .object(request.json) else {
      throw EvidenceError(
        .folder, "In \(path) lies an unfinished bundle of another question; nothing was changed.",
        next: "Ask as you did before, or name a new folder.")
    }
    self.createID = createID
    self.completeID = completeID
    if let kept = state["answer"], !kept.isNull { answer = kept }
    manifest = state["manifest"]?.stringValue
    // What a replacement left that was interrupted.
    for name in names where name.hasSuffix(".new") { try FileSystem<FileError>.remove(file(name)) }
  }

  /// The path of a file.
  func file(_ name: String) -> String { "\(path)/\(name)" }

  /// Keeps what the server answered, so that what goes on later is about the same tree.
  mutating func keep(_ answer: JSON) throws {
    self.answer = answer
    try keepState()
  }

  /// Keeps the SHA-256 of the manifest, in hex: from now on no other file of the bundle may change.
  mutating func keep(manifest: String) throws {
    self.manifest = manifest
    try keepState()
  }

  private func keepState() throws {
    try FileSystem<FileError>.replace(file(BundleFile.state), with: json.canonicalBytes, syncing: true)
  }

  /// Says that the bundle is whole.
  func finish() throws {
    try FileSystem<FileError>.syncFolder(path)
    try FileSystem<FileError>.remove(file(BundleFile.state))
    try FileSystem<FileError>.syncFolder(path)
  }

  private var json: JSONObject {
    [
      "answer": answer ?? .null, "complete_id": .string(completeID), "create_id": .string(createID),
      "format": .string(BundleFolder.format), "manifest": manifest.map(JSON.string) ?? .null,
      "request": .object(request.json),
    ]
  }
}
