import BasicTypes
import CanonicalJSON
import EventLog

/// By what files of the same content find each other: a target in the index of
/// links that stands for an organization, a hash and a size.
///
/// A pure function of a file's state, so that the index can be compared with it. A
/// file has content once its upload is complete.
package enum FileContent {
  /// The fields that decide it.
  package static let fields = ["file_hash", "file_size", "uploaded_at"]

  /// What stands for a state's content; nil for all but files whose content is known.
  package static func identifier(of state: ResourceState) -> Identifier? {
    guard state.type == "file", state.fields.contains("uploaded_at"), let organization = state.organization,
      let hash = state.fields["file_hash"]?.stringValue, let size = state.fields["file_size"]?.integerValue
    else { return nil }
    return identifier(organization: organization, hash: hash, size: size)
  }

  /// What stands for content of that hash and size in an organization.
  package static func identifier(organization: Identifier, hash: String, size: Int64) -> Identifier {
    .version5(namespace: organization, name: "file\n\(hash)\n\(size)")
  }
}
