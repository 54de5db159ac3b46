import CanonicalJSON

extension JSON {
  /// The type of the error that an answer carries.
  var errorType: String? { self["error"]?["data"]?["type"]?.stringValue }
  /// The code of the error that an answer carries.
  var errorCode: Int64? { self["error"]?["code"]?.integerValue }
}
