import BasicTypes
import CanonicalJSON
import MerkleTree

/// What a bundle says of itself: the terms of the export, and the SHA-256 of every other file.
package struct BundleManifest: Sendable, Equatable {
  /// One file of the bundle.
  package struct File: Sendable, Equatable {
    /// Its name in the folder.
    package var name: String
    /// Its length.
    package var bytes: UInt64
    /// The SHA-256 of its bytes.
    package var digest: Digest
    /// What is to be known before it is read; nil for nothing.
    package var remark: String?

    /// A file of these parts.
    package init(name: String, bytes: UInt64, digest: Digest, remark: String? = nil) {
      self.name = name
      self.bytes = bytes
      self.digest = digest
      self.remark = remark
    }
  }

  /// Something that a bundle doesn't show, how often, and why.
  package struct Redaction: Sendable, Equatable {
    /// What.
    package var what: String
    /// How many.
    package var count: UInt64
    /// Why.
    package var why: String

    /// A redaction of these parts.
    package init(what: String, count: UInt64, why: String) {
      self.what = what
      self.count = count
      self.why = why
    }
  }

  /// What the server recorded.
  package var terms: ExportTerms
  /// What for, as the one who asked said it.
  package var purpose: String
  /// The name of the log, as its checkpoints have it.
  package var origin: String
  /// The catalog revision of the last event that is shown.
  package var catalog: String?
  /// When the first and the last event of the filter happened; nil where there is none.
  package var period: (first: String, last: String)?
  /// What isn't shown.
  package var redactions: [Redaction]
  /// Every file but the manifest itself and its note, in the order of their names.
  package var files: [File]
  /// The program that wrote it.
  package var program: String

  /// A manifest of these parts.
  package init(
    terms: ExportTerms, purpose: String, origin: String, catalog: String?, period: (first: String, last: String)?,
    redactions: [Redaction], files: [File], program: String
  ) {
    self.terms = terms
    self.purpose = purpose
    self.origin = origin
    self.catalog = catalog
    self.period = period
    self.redactions = redactions
    self.files = files
    self.program = program
  }

  /// More files, and larger ones, no bundle has: so their sizes can be added up.
  private static let mostFiles = 1000
  private static let mostBytes: UInt64 = 1 << 50

  /// Whether both say the same.
  package static func == (left: BundleManifest, right: BundleManifest) -> Bool { left.json == right.json }

  /// The manifest as its file has it, but for the line break at the end.
  package var json: JSONObject {
    let list = files.map { file in
      var object: JSONObject = ["bytes": JSON(position: file.bytes), "sha256": .string(file.digest.hex)]
      if let remark = file.remark { object["remark"] = .string(remark) }
      return (key: file.name, value: JSON.object(object))
    }
    return [
      "catalog": catalog.map(JSON.string) ?? .null, "files": .object(JSONObject(members: list)),
      "format": .string(BundleFile.format), "origin": .string(origin),
      "period": period.map { ["first": .string($0.first), "last": .string($0.last)] } ?? .null,
      "program": .string(program), "purpose": .string(purpose),
      "redactions": .array(
        redactions.map { ["count": JSON(position: $0.count), "what": .string($0.what), "why": .string($0.why)] }),
      "terms": .object(terms.json),
    ]
  }

  /// The bytes of its file: canonical JSON and a line break.
  package var bytes: [UInt8] { json.canonicalBytes + [0x0A] }

  /// The manifest that ``bytes`` wrote.
  /// - Throws: ``EvidenceFault`` where it is anything else.
  package init(bytes: [UInt8]) throws(EvidenceFault) {
    func fault(_ what: String) -> EvidenceFault { EvidenceFault(BundleFile.manifest, what) }
    guard bytes.last == 0x0A, let json = try? JSON.parse(bytes.dropLast()) else {
      throw fault("is not one line of JSON")
    }
    guard json["format"]?.stringValue == BundleFile.format else {
      throw fault("is not of the format \(BundleFile.format), which is the only one that this program knows")
    }
    guard let terms = json["terms"].flatMap({ ExportTerms($0) }) else {
      throw fault("names terms of the export that can't be, or that this program doesn't know")
    }
    guard let origin = json["origin"]?.stringValue, let purpose = json["purpose"]?.stringValue,
      let program = json["program"]?.stringValue, let listed = json["files"]?.objectValue,
      let redacted = json["redactions"]?.arrayValue
    else { throw fault("lacks a member") }
    guard listed.count <= BundleManifest.mostFiles else {
      throw fault("lists more than \(BundleManifest.mostFiles) files")
    }
    var files: [File] = []
    for (name, file) in listed {
      guard let size = file["bytes"]?.integerValue.flatMap({ UInt64(exactly: $0) }), size < BundleManifest.mostBytes,
        let digest = file["sha256"]?.stringValue.flatMap({ Digest(hex: $0) }), BundleManifest.isPlain(name)
      else { throw fault("says of a file neither its size nor its SHA-256, or names one outside of the folder") }
      files.append(File(name: name, bytes: size, digest: digest, remark: file["remark"]?.stringValue))
    }
    var redactions: [Redaction] = []
    for redaction in redacted {
      guard let what = redaction["what"]?.stringValue, let why = redaction["why"]?.stringValue,
        let count = redaction["count"]?.integerValue.flatMap({ UInt64(exactly: $0) })
      else { throw fault("has a redaction that can't be read") }
      redactions.append(Redaction(what: what, count: count, why: why))
    }
    var period: (first: String, last: String)?
    if let first = json["period"]?["first"]?.stringValue, let last = json["period"]?["last"]?.stringValue {
      period = (first, last)
    }
    self.init(
      terms: terms, purpose: purpose, origin: origin, catalog: json["catalog"]?.stringValue, period: period,
      redactions: redactions, files: files, program: program)
    guard self.bytes == bytes else { throw fault("is not canonical JSON, or has members that it must not have") }
  }

  /// Whether a name stands for a file of the folder itself.
  private static func isPlain(_ name: String) -> Bool {
    !name.isEmpty && !name.hasPrefix(".") && !name.utf8.contains(UInt8(ascii: "/")) && !name.utf8.contains(0)
  }
}
