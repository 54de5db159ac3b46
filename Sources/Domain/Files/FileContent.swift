import BasicTypes
import CanonicalJSON
import EventLog

/// By what files of the same content find each other: a target in the index of links that stands for an organization, a hash and a size.
///
/// A pure function of a file's state, so that the index can be compared with it. A file has content once its upload is complete.
enum FileContent {
  /// The fields that decide it.
  static let fields = ["file_hash", "file_size", "uploaded_at"]

  /// What stands for a state's content; nil for all but files whose content is known.
  static func identifier(of state: ResourceState) -> Identifier? {
    guard state.type == "file", state.fields.contains("uploaded_at"), let organization = state.organization,
      let hash = state.fields["file_hash"]?.stringValue, let size = state.fields["file_size"]?.integerValue
    else { return nil }
    return identifier(organization: organization, hash: hash, size: size)
  }

  static func identifier(organization: Identifier, hash: String, size: Int64) -> Identifier {
    .version5(namespace: organization, name: "file\n\(hash)\n\(size)")
  }

  /// The earliest living file of that content besides one; nil where there is none.
  static func original(
    of content: Identifier, besides id: Identifier?, in transaction: LogTransaction
  ) throws -> Identifier? {
    func order(_ state: ResourceState) -> (String, Int64) {
      (state.fields["uploaded_at"]?.stringValue ?? "", state.fields["number"]?.integerValue ?? .max)
    }
    return try transaction.referrers(of: content, type: "file", limit: 100)
      .compactMap { $0.id == id ? nil : try transaction.living($0.id, type: "file") }
      .min { order($0) < order($1) }?.id
  }

  /// What is wrong with a SHA-256 in hexadecimal; nil where it is one.
  static func hashProblem(_ text: String?) -> String? {
    guard let text else { return nil }
    let isHash =
      text.utf8.count == 64
      && text.utf8.allSatisfy {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
      }
    return isHash ? nil : "must be a SHA-256: 64 hexadecimal digits in lower case"
  }
}
