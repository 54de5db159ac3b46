import BasicTypes
import CanonicalJSON
import Crypto
import EventLog

/// The organization that a report goes to.
enum ReportOrganization {
  /// The caller's own; for the local administrator the one of the job namespace, made on first sight with a slug from
  /// the namespace and the raw text in `namespace`.
  static func resolve(namespace: String, in target: some ReportTarget) throws -> Identifier {
    if let own = target.ownOrganization { return own }
    let known = try target.find(
      type: "organization", constraint: "organization_namespace", values: [.string(namespace)])
    if let known { return known.id }
    var slug = slug(for: namespace)
    if try target.find(type: "organization", constraint: "organization_slug", values: [.string(slug)]) != nil {
      // Another organization has that slug: a piece of the namespace's hash tells them apart.
      slug = "\(slug.prefix(91))-\(fingerprint(namespace))"
    }
    var name = String.UnicodeScalarView()
    name.append(contentsOf: namespace.unicodeScalars.prefix(255))
    let identifier = Identifier.version5(
      namespace: .urlNamespace, name: "openlineage:job-namespace:\(namespace)")
    let state = try target.create(
      type: "organization", id: try target.state(identifier) == nil ? identifier : nil, organization: nil,
      fields: [
        "name": name.isEmpty ? "default" : .string(String(name)), "slug": .string(slug),
        "namespace": .string(namespace),
      ],
      event: "created", data: [:])
    return state.id
  }

  /// Lower-case letters and digits of the namespace, everything else as single
  /// dashes; at most 100 characters, never empty.
  static func slug(for namespace: String) -> String {
    var bytes: [UInt8] = []
    for byte in namespace.utf8 {
      switch byte {
      case UInt8(ascii: "A")...UInt8(ascii: "Z"): bytes.append(byte | 32)
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
        bytes.append(byte)
      default: if let last = bytes.last, last != UInt8(ascii: "-") { bytes.append(UInt8(ascii: "-")) }
      }
      if bytes.count == 100 { break }
    }
    while bytes.last == UInt8(ascii: "-") { bytes.removeLast() }
    return bytes.isEmpty ? "namespace-\(fingerprint(namespace))" : String(decoding: bytes, as: UTF8.self)
  }

  private static func fingerprint(_ text: String) -> String {
    Hex.encode(Array(SHA256.hash(data: Array(text.utf8)).prefix(4)))
  }
}
