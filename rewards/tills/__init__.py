"""At the till: vouchers taken and given back, live codes, what an offline till sends later."""
