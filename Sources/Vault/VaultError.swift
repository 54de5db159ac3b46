/// Why the vault refused: a code to decide by, and a sentence that names the file and what to do. It holds no key bytes
/// and no personal value.
public struct VaultError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The kinds of refusal.
  public enum Code: Sendable, Hashable {
    /// The root key file does not exist, while the vault does.
    case rootKeyMissing
    /// The root key file is not a root key, or not that of this vault.
    case rootKeyWrong
    /// The root key file can be read by others than its owner.
    case rootKeyUnsafe
    /// A file of the vault is not what the vault wrote.
    case storeDamaged
    /// A system call failed, with this errno.
    case io(Int32)
    /// Another process has the vault open for writing.
    case inUse
    /// The vault was opened for reading only, or is closed.
    case readOnly
    /// A vault is there already.
    case vaultExists
    /// The owner's key was destroyed: nothing can be sealed for it again.
    case erased
    /// A retention class or month that can't name a key.
    case invalidOwner
    /// As many values were wrapped under one epoch key as is safe; destroying any key begins a new epoch.
    case nonceLimit
    /// The value is no sealed value of a format that this version knows.
    case malformedToken
    /// The sealed value was made for another resource, field or event, or was changed.
    case wrongContext
    /// The password is too long or holds a null character.
    case passwordUnusable
    /// The system's libcrypt does not hash with these parameters.
    case hashingUnavailable
  }

  /// What kind of refusal it is.
  public let code: Code
  /// A sentence for the operator.
  public let message: String

  /// A refusal of that kind, told by that sentence.
  public init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }

  /// Whether the same call can succeed later without anyone changing the vault: a full disk, another holder.
  public var canRetry: Bool {
    switch code {
    case .io, .inUse: true
    default: false
    }
  }

  /// The message.
  public var description: String { message }
}
