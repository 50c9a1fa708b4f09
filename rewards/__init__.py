"""What points buy: merchants, offers, redemptions and vouchers."""
