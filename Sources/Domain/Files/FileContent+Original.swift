import BasicTypes
import CanonicalJSON
import EventLog
import Records

extension FileContent {
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
