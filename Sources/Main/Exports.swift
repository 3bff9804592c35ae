// A program with a main function of ours imports nothing else.
@_exported public import Omniway
